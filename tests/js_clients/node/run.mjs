// node run.mjs CLIENT HOST KEY JOB: sends through one client, and says on each line of its output, as JSON, what
// the client itself says: the failures, and when all is over.
//
//   {"session": true}                  one visit to the shop, see session.mjs
//   {"numbered": 40, "pause": false}   so many messages
//   and "options": what the client is given besides

import { CLIENTS } from "./clients.mjs";
import { REQUESTS, VISIT, numbered } from "../session.mjs";

const [, , name, host, key, text] = process.argv;
const job = JSON.parse(text);
const say = (line) => process.stdout.write(`${JSON.stringify(line)}\n`);
const client = CLIENTS[name](host, key, (failed) => say({ failed }), job.options ?? {});

// A server says with each call whose it is: a client of a server has no memory of whom it identified.
let known = !job.visit;
const ids = (call) => {
  if (call.type === "identify") return { anonymousId: "anon-1" };
  return known ? { userId: "ada" } : { anonymousId: "anon-1" };
};

const calls = [...(job.visit ? VISIT : []), ...(job.requests ?? []).map((name) => REQUESTS[name]), ...numbered(job.numbered ?? 0)];
for (const call of calls) {
  client.send({ ...ids(call), ...call });
  known ||= call.type === "identify";
}
await client.close();
say({ ended: true });
process.exit(0); // timers and sockets of a client would keep the process
