// @ts-check
// Asks the server.

const TOKEN_KEY = "parleyd.admin-token";

export class Unauthorized extends Error {}
export class Missing extends Error {}

/** @param {string} token to be used until this tab is closed */
export const keepToken = (token) => sessionStorage.setItem(TOKEN_KEY, token);
export const forgetToken = () => sessionStorage.removeItem(TOKEN_KEY);
export const hasToken = () => sessionStorage.getItem(TOKEN_KEY) !== null;

/**
 * @param {string} path
 * @param {{order?: object, signal?: AbortSignal}} [options] order makes it a POST
 */
export async function ask(path, { order, signal } = {}) {
  const token = sessionStorage.getItem(TOKEN_KEY);
  const answer = await fetch(`api/v1/${path}`, {
    ...(order && { method: "POST", body: JSON.stringify(order) }), signal,
    headers: { "Content-Type": "application/json", ...(token && { Authorization: `Bearer ${token}` }) },
  });
  const body = await answer.json();
  if (answer.status === 401) throw new Unauthorized(body.error);
  if (answer.status === 404) throw new Missing(body.error);
  if (!answer.ok) throw new Error(body.error);
  return body;
}
