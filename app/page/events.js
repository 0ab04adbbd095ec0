// Server-sent events through fetch, because an EventSource cannot send a key.

import { call } from "./api.js";

const RETRY_MS = 1000;
const FINAL = [401, 403, 404, 422];

function parse(block) {
  const event = {};
  for (const line of block.split("\n")) {
    const [, name, value] = line.match(/^(\w+): ?(.*)$/) ?? [];
    if (name) event[name] = value;
  }
  return event.data ? { ...event, data: JSON.parse(event.data) } : null;
}

async function* batches(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    const blocks = (rest + value.replaceAll("\r", "")).split("\n\n");
    rest = blocks.pop();
    const events = blocks.map(parse).filter(Boolean);
    if (events.length) yield events;
  }
}

// Yields the events that arrived together as one list; after a broken connection it goes on where it was. Ends when `signal` is aborted.
export async function* follow(path, signal) {
  let last = null;
  while (!signal.aborted) {
    try {
      const response = await call(path, { signal, headers: last ? { "Last-Event-ID": last } : {} });
      for await (const events of batches(response.body)) {
        last = events.at(-1).id ?? last;
        yield events;
      }
    } catch (error) {
      if (signal.aborted) return;
      if (FINAL.includes(error.problem?.status)) throw error;
    }
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
  }
}
