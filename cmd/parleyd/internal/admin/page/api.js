// @ts-check
// Asks the server.

const TOKEN_KEY = "parleyd.admin-token";
const PATIENCE = 10_000; // ms until an answer is too late

export class Unauthorized extends Error {}
export class Missing extends Error {}

/** @type {string|null} kept here too, where the browser blocks storage */
let token = null;
try {
  token = sessionStorage.getItem(TOKEN_KEY);
} catch {
  // blocked
}

/**
 * Keeps the token until this tab is closed.
 * @param {string|null} wanted null: none
 */
export function keepToken(wanted) {
  token = wanted;
  try {
    if (wanted === null) sessionStorage.removeItem(TOKEN_KEY);
    else sessionStorage.setItem(TOKEN_KEY, wanted);
  } catch {
    // blocked: it lasts as long as the page
  }
}
export const hasToken = () => token !== null;

/**
 * @param {string} path
 * @param {{order?: object, signal?: AbortSignal}} [options] order makes it a POST
 */
export async function ask(path, { order, signal } = {}) {
  const late = AbortSignal.timeout(PATIENCE);
  const answer = await fetch(`api/v1/${path}`, {
    ...(order && { method: "POST", body: JSON.stringify(order) }), signal: signal ? AbortSignal.any([signal, late]) : late,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
  });
  const body = await answer.json();
  if (answer.status === 401) throw new Unauthorized(body.error);
  if (answer.status === 404) throw new Missing(body.error);
  if (!answer.ok) throw new Error(body.error);
  return body;
}
