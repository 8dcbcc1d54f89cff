// Speaks to /api. What is wrong comes as a Problem, whose message is made to be shown.

export class Problem extends Error {
  constructor(status, error) {
    super(error?.message ?? `The service answered ${status}`);
    this.status = status;
    this.answer = null;
    this.code = error?.code ?? "";
  }
}

const MAX_KEPT_ALIVE = 60_000; // bytes; browsers carry 64 KiB on after a page is left

async function send(path, body, signal, method) {
  const options = { signal, method, headers: {} };
  if (body !== undefined) {
    options.method = method ?? "POST";
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
    // What is written goes out even if the page is closed at that moment.
    options.keepalive = method === "PUT" && new Blob([options.body]).size < MAX_KEPT_ALIVE;
  }
  let response;
  try {
    response = await fetch(`/api${path}`, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Problem(0, { message: "The service can't be reached" });
  }
  if (!response.ok) {
    const answer = await response.json().catch(() => ({}));
    const problem = new Problem(response.status, answer.error);
    problem.answer = answer;
    throw problem;
  }
  return response;
}

export async function ask(path, body) {
  return (await send(path, body)).json();
}

export async function put(path, body) {
  return (await send(path, body, undefined, "PUT")).json();
}

export async function remove(path) {
  return (await send(path, undefined, undefined, "DELETE")).json();
}

// Yields the objects of a stream of server-sent events. An error in it ends it as a Problem.
export async function* events(path, body, signal) {
  const response = await send(path, body, signal);
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  try {
    for (;;) {
      const { done, value } = await reader.read().catch((error) => {
        if (error.name === "AbortError") throw error;
        throw new Problem(0, { message: "The service can't be reached" });
      });
      if (done) return;
      const parts = (rest + value).split("\n\n");
      rest = parts.pop();
      for (const part of parts) {
        if (!part.startsWith("data: ")) continue;
        const event = JSON.parse(part.slice(6));
        if (event.error) throw new Problem(response.status, event.error);
        yield event;
      }
    }
  } finally {
    reader.cancel().catch(() => {});
  }
}
