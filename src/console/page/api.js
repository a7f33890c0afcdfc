// The JSON API: one door. What it says about a failure is shown as it says it.

import { t } from "./words.js";

const TOKEN = "funchost-token";

/** A failure, in the words of whoever knows best. */
export class Failed extends Error {
  constructor(message, more = {}) {
    super(message);
    Object.assign(this, more);
  }
}

function kept(storage, key) {
  try {
    return storage.getItem(key);
  } catch {
    return null;
  }
}

/** Remembers the token until the tab is closed; without one, forgets it. */
export function setToken(token) {
  try {
    if (token) sessionStorage.setItem(TOKEN, token);
    else sessionStorage.removeItem(TOKEN);
  } catch {
    // A browser that keeps nothing asks again after a reload.
  }
  current = token;
}

let current = kept(sessionStorage, TOKEN);

/** Is there a token to show? */
export function hasToken() {
  return Boolean(current);
}

/** One request; answers with the whole envelope. */
export async function ask(method, path, { body, signal } = {}) {
  const headers = { accept: "application/json" };
  if (current) headers.authorization = `Bearer ${current}`;
  if (body !== undefined) headers["content-type"] = "application/json";
  let response;
  let text;
  try {
    response = await fetch(`api/v1/${path}`, {
      method,
      headers,
      signal,
      body: body === undefined ? undefined : JSON.stringify(body),
      cache: "no-store",
      credentials: "omit",
      redirect: "error",
    });
    text = await response.text();
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Failed(t("unreachable"), { away: true });
  }
  let answer;
  try {
    answer = JSON.parse(text);
  } catch {
    throw new Failed(t("notOurs", { status: response.status }), { status: response.status });
  }
  if (!answer.ok) {
    throw new Failed(answer.message || String(answer.error), {
      status: response.status,
      code: answer.error,
      detail: answer.detail,
      trace: answer.traceId,
    });
  }
  return answer;
}

/** The data of a GET. */
export async function get(path, signal) {
  return (await ask("GET", path, { signal })).data;
}

/** `a=1&b=2`, without what is empty. */
export function query(values) {
  const parameters = new URLSearchParams();
  for (const [name, value] of Object.entries(values)) {
    if (value !== undefined && value !== null && value !== "") parameters.set(name, value);
  }
  return parameters.toString();
}
