// @ts-check
// Draws the page. Knows the elements, and nothing of calls or of the server.

/**
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type
 * @returns {T}
 */
function element(id, type) {
  const found = document.getElementById(id);
  if (!(found instanceof type)) throw new Error(`the page has no ${type.name} #${id}`);
  return found;
}

export const view = {
  state: element("state", HTMLElement),
  error: element("error", HTMLElement),
  join: element("join", HTMLFormElement),
  room: element("room", HTMLInputElement),
  nickname: element("nickname", HTMLInputElement),
  stage: element("stage", HTMLElement),
  remote: element("remote", HTMLVideoElement),
  remoteHint: element("remote-hint", HTMLElement),
  remoteCaption: element("remote-caption", HTMLElement),
  local: element("local", HTMLVideoElement),
  localHint: element("local-hint", HTMLElement),
  incoming: element("incoming", HTMLElement),
  incomingText: element("incoming-text", HTMLElement),
  accept: element("accept", HTMLButtonElement),
  decline: element("decline", HTMLButtonElement),
  mute: element("mute", HTMLButtonElement),
  camera: element("camera", HTMLButtonElement),
  hangup: element("hangup", HTMLButtonElement),
  roomName: element("room-name", HTMLElement),
  copy: element("copy", HTMLButtonElement),
  members: element("members", HTMLUListElement),
  callForm: element("call-form", HTMLFormElement),
  remoteId: element("remote-id", HTMLInputElement),
  call: element("call", HTMLButtonElement),
  leave: element("leave", HTMLButtonElement),
};

/**
 * @param {"offline"|"waiting"|"joined"|"call"} kind
 * @param {string} words
 */
export function showState(kind, words) {
  view.state.dataset.state = kind;
  view.state.textContent = words;
}

/** @param {string} words nothing: there is no error any more */
export function showError(words) {
  view.error.textContent = words;
  view.error.hidden = !words;
}

/** @param {string|undefined} room undefined: ask for one */
export function showRoom(room) {
  view.join.hidden = room !== undefined;
  view.stage.hidden = room === undefined;
  view.roomName.textContent = room ?? "";
  document.title = room ? `${room} – parley` : "parley";
}

/**
 * @param {string[]} ids
 * @param {Record<string, string>} names
 * @param {string} self
 * @param {(id: string) => void} choose
 */
export function showMembers(ids, names, self, choose) {
  const focused = document.activeElement instanceof HTMLElement ? document.activeElement.dataset.id : undefined;
  view.members.replaceChildren(...ids.map((id) => {
    const entry = document.createElement("li");
    entry.append(id === self ? selfEntry(id, names[id]) : memberButton(id, names[id], choose));
    return entry;
  }));
  markChosen(view.remoteId.value);
  if (focused) memberButtons().find((button) => button.dataset.id === focused)?.focus();
}

/**
 * A name is never trusted to keep the direction of the text around it.
 * @param {string} id
 * @param {string|undefined} name
 */
function label(id, name) {
  const first = document.createElement("bdi");
  first.textContent = name ?? id;
  if (!name) return [first];
  const small = document.createElement("small");
  const second = document.createElement("bdi");
  second.textContent = id;
  small.append(second);
  return [first, small];
}

/**
 * @param {string} id
 * @param {string|undefined} name
 */
function selfEntry(id, name) {
  const entry = document.createElement("div");
  entry.className = "self";
  const [first, ...rest] = label(id, name);
  entry.append(first, " (you)", ...rest);
  return entry;
}

/**
 * @param {string} id
 * @param {string|undefined} name
 * @param {(id: string) => void} choose
 */
function memberButton(id, name, choose) {
  const button = document.createElement("button");
  button.type = "button";
  button.dataset.id = id;
  button.append(...label(id, name));
  button.onclick = () => choose(id);
  return button;
}

function memberButtons() {
  return [...view.members.querySelectorAll("button")];
}

/** @param {string} id of the member that Call would call */
export function markChosen(id) {
  for (const button of memberButtons()) button.setAttribute("aria-pressed", String(button.dataset.id === id));
}

/** @param {MediaStream|undefined} stream */
export function showLocal(stream) {
  view.local.srcObject = stream ?? null;
  const seen = stream?.getVideoTracks().some((track) => track.enabled) ?? false;
  view.local.hidden = !seen;
  view.localHint.hidden = seen;
  view.localHint.textContent = stream?.getVideoTracks().length ? "Camera off" : "No camera";
  view.camera.disabled = !stream?.getVideoTracks().length;
  view.mute.disabled = !stream?.getAudioTracks().length;
}

/**
 * @param {MediaStream|undefined} stream
 * @param {string} caption the other's name
 * @param {string} hint in place of a picture
 */
export function showRemote(stream, caption, hint) {
  if (view.remote.srcObject !== (stream ?? null)) view.remote.srcObject = stream ?? null;
  view.remoteHint.hidden = stream !== undefined;
  view.remoteHint.textContent = hint;
  view.remoteCaption.hidden = stream === undefined;
  view.remoteCaption.textContent = caption;
}

/** @param {string|undefined} name of who calls; undefined: nobody */
export function showIncoming(name) {
  const was = !view.incoming.hidden;
  view.incoming.hidden = name === undefined;
  view.incomingText.textContent = name === undefined ? "" : `${name} is calling`;
  if (name !== undefined && !was) view.accept.focus();
}

/** @param {boolean} running */
export function showCallRunning(running) {
  view.hangup.disabled = !running;
  view.call.disabled = running;
}

/**
 * @param {HTMLButtonElement} button
 * @param {boolean} pressed
 * @param {string} words
 */
export function showToggle(button, pressed, words) {
  button.setAttribute("aria-pressed", String(pressed));
  button.textContent = words;
}
