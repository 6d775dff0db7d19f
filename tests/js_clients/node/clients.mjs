// The clients of Node, each with what its documentation says about another host, and nothing more.
// `send` takes a call as Segment's Node clients do; `close` resolves when all of it is answered, or given up.

import { Analytics as Segment } from "@segment/analytics-node";
import { Analytics as CustomerIo } from "@customerio/cdp-analytics-node";
import RudderStack from "@rudderstack/rudder-sdk-node";
import OldSegment from "analytics-node";
import { PipelinesClient } from "customerio-node";

const told = (failed) => (error) => error && failed(String(error.message ?? error));

// Clients that are closed: the last batch goes then.
const closing = (client, failed) => {
  client.on("error", ({ reason }) => failed(String(reason?.message ?? reason)));
  return { send: ({ type, ...call }) => client[type](call), close: () => client.closeAndFlush() };
};

// Clients that are flushed, batch by batch; a callback of each message says how it ended.
const flushing = (client, failed) => {
  const ended = [];
  const send = ({ type, ...call }) => {
    ended.push(
      new Promise((resolve) => {
        client[type](call, (error) => resolve(told(failed)(error)));
      }),
    );
  };
  const close = async () => {
    while (client.queue.length) await client.flush().catch(() => {});
    await Promise.all(ended);
  };
  return { send, close };
};

export const CLIENTS = {
  segment: (host, key, failed, options) => closing(new Segment({ writeKey: key, host, ...options }), failed),
  customerio: (host, key, failed, options) => closing(new CustomerIo({ writeKey: key, host, ...options }), failed),
  rudderstack: (host, key, failed, options) =>
    flushing(new RudderStack(key, { dataPlaneUrl: host, logLevel: "none", errorHandler: () => {}, ...options }), failed),
  "old-segment": (host, key, failed, options) =>
    flushing(new OldSegment(key, { host, errorHandler: () => {}, ...options }), failed),
  pipelines: (host, key, failed, options) => {
    const client = new PipelinesClient(key, { url: `${host}/v1`, ...options });
    let ended = Promise.resolve(); // one request after the other, as they were made
    const send = ({ type, ...call }) => {
      ended = ended.then(() => client[type](call)).catch(told(failed));
    };
    return { send, close: () => ended };
  },
};
