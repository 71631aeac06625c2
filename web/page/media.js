// @ts-check
// Opens the camera and the microphone, and says in words why that failed.

/** @type {Record<string, string>} */
const WORDS = {
  NotAllowedError: "The browser may not use the camera and microphone. Allow it in the address bar to be seen and heard.",
  SecurityError: "The browser may not use the camera and microphone on this page.",
  NotFoundError: "No camera or microphone was found.",
  NotReadableError: "The camera is in use by another program.",
  AbortError: "The camera could not be started.",
  OverconstrainedError: "The camera can't do what was asked of it.",
};

/**
 * Opens what there is: both, or the microphone alone, or nothing.
 * @returns {Promise<{stream?: MediaStream, problem?: string}>}
 */
export async function openMedia() {
  if (!navigator.mediaDevices) {
    return { problem: "Camera and microphone work only on pages opened over HTTPS or from localhost. You can still see and hear others." };
  }
  try {
    return { stream: await navigator.mediaDevices.getUserMedia({ audio: true, video: true }) };
  } catch (error) {
    const problem = WORDS[/** @type {DOMException} */ (error).name] ?? `The camera could not be opened: ${error}.`;
    try {
      return { stream: await navigator.mediaDevices.getUserMedia({ audio: true }), problem: `${problem} You go on with your voice alone.` };
    } catch {
      return { problem: `${problem} You can still see and hear others.` };
    }
  }
}
