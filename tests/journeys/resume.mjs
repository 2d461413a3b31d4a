// The unmodified `eventsource` package: follow an answer, lose the connection twice, and print every event received.
import { EventSource } from "eventsource";

const [url, token] = process.argv.slice(-2);
const types = [
  "generation.created", "message.delta", "message.snapshot", "usage", "heartbeat",
  "generation.completed", "generation.stopped", "generation.failed", "generation.interrupted",
];
let connections = 0;
// The package lets Node exit while it waits to reconnect; a browser's tab would stay open.
const open = setInterval(() => {}, 1000);
const authorized = (input, init) =>
  fetch(input, { ...init, headers: { ...init.headers, Authorization: `Bearer ${token}` } });
const source = new EventSource(url, { fetch: authorized });
source.onopen = () => { connections += 1; };
source.onerror = (error) => {
  // 204: everything has been read, and the specification says not to come back.
  if (source.readyState === EventSource.CLOSED) {
    clearInterval(open);
    console.log(JSON.stringify({ connections, code: error.code ?? null }));
  }
};
for (const type of types) source.addEventListener(type, (event) => console.log(event.data));
