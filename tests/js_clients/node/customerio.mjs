// node customerio.mjs PACKAGE URL SITE KEY JOB: Customer.io's clients of the Track API and the App API. It says of each
// call on a line, as JSON, what came back, or what the client threw.

const [, , name, base, site, key, job] = process.argv;
const { APIClient, SendEmailRequest, SendPushRequest, TrackClient } = (await import(name)).default;

const port = Number(new URL(base).port); // version 4 does not read it in the URL
const track = new TrackClient(site, key, { url: `${base}/api/v1`, port });
const app = new APIClient(key, { url: `${base}/v1`, port });

const AWKWARD = "ada@x +1/ä";
const WHEN = new Date("2026-03-12T10:00:00.123Z");

const JOBS = {
  messages: [
    ["trackAnonymous", () => track.trackAnonymous("anon-1", { name: "purchase", data: { product: "socks", price: 23.45 } })],
    [
      "identify",
      () =>
        track.identify(AWKWARD, {
          anonymous_id: "anon-1",
          email: "ada@example.com",
          created_at: 1773309600,
          when: WHEN,
          none: null,
          missing: undefined,
          nan: Number.NaN,
          big: 2 ** 53,
          address: { city: "Łódź" },
          tags: ["a", null, [1.5, "🧦"]],
        }),
    ],
    ["track", () => track.track(AWKWARD, { name: "played_game", data: { round: 3, when: WHEN }, id: "game-1" })],
    ["track again", () => track.track(AWKWARD, { name: "played_game", data: { round: 3 }, id: "game-1" })],
    ["track earlier", () => track.track(AWKWARD, { name: "signed_up", data: { plan: "pro" }, timestamp: 1773309600 })],
    ["trackPageView", () => track.trackPageView(AWKWARD, "https://shop.example/socks")],
  ],
  requests: [
    ...["ada", "twin", "lin", "eve"].map((person) => [`identify ${person}`, () => track.identify(person, { plan: "pro" })]),
    ["addDevice", () => track.addDevice("ada", "token/1", "ios", { last_used: 1773309600, primary: true })],
    ["addDevice again", () => track.addDevice("ada", "token/2", "android")],
    ["deleteDevice", () => track.deleteDevice("ada", "token/2")],
    ["mergeCustomers", () => track.mergeCustomers("id", "ada", "id", "twin")],
    ["destroy", () => track.destroy("lin")],
    ["suppress", () => track.suppress("eve")],
    ["identify the suppressed", () => track.identify("eve", { plan: "free" })],
    ["unsuppress", () => track.unsuppress("eve")],
  ],
  sends: [
    ["identify", () => track.identify("ada", { email: "ada@example.com", plan: "pro", first_name: "Ada" })],
    ["identify another", () => track.identify("bob", { email: "bob@example.com", plan: "free" })],
    ["broadcast to some", () => app.triggerBroadcast("june-news", { headline: "June" }, { ids: ["ada", "nobody"], id_ignore_missing: true })],
    ["broadcast to nobody", () => app.triggerBroadcast("june-news", { headline: "June" }, { ids: ["nobody"] })],
    ["unknown broadcast", () => app.triggerBroadcast("no-news", {}, {})],
    [
      "sendEmail",
      () =>
        app.sendEmail(
          new SendEmailRequest({
            to: "ada@example.com",
            identifiers: { id: "ada" },
            transactional_message_id: "receipt",
            message_data: { order: "O-1" },
          }),
        ),
    ],
    [
      "sendEmail to a stranger",
      () =>
        app.sendEmail(
          new SendEmailRequest({
            to: "mallory@example.com",
            identifiers: { id: "ada" },
            transactional_message_id: "receipt",
            message_data: { order: "O-1" },
          }),
        ),
    ],
    [
      "sendPush",
      () =>
        app.sendPush(
          new SendPushRequest({ identifiers: { id: "ada" }, transactional_message_id: "ping", message_data: { n: 1 } }),
        ),
    ],
    ["getCustomersByEmail", () => app.getCustomersByEmail("ada@example.com")],
    ["getAttributes", () => app.getAttributes("ada", "id")],
    ["getAttributes of nobody", () => app.getAttributes("nobody", "id")],
  ],
  named: [["track", () => track.track("ada", { name: "purchase", data: { price: 30 }, id: "order-1" })]],
  faults: [
    ["long name", () => track.track("ada", { name: "x".repeat(200) })],
    ["placeholder", () => track.identify("undefined", {})],
    ["wrong key", () => new TrackClient(site, "wk_of_nobody", { url: `${base}/api/v1`, port }).identify("ada", {})],
  ],
  version2: [
    [
      "entity",
      () => track.entity({ type: "person", action: "identify", identifiers: { id: "nia" }, attributes: { plan: "pro" } }),
    ],
    [
      "batch",
      () =>
        track.batch([
          { type: "person", action: "event", identifiers: { id: "nia" }, name: "purchase", attributes: { price: 30 } },
          { type: "person", action: "identify", identifiers: { id: "ola" }, attributes: { plan: "free" } },
        ]),
    ],
    [
      "batch with a fault",
      () =>
        track.batch([
          { type: "person", action: "event", identifiers: { id: "nia" }, name: "x".repeat(200) },
          { type: "person", action: "event", identifiers: { id: "nia" }, name: "hello" },
        ]),
    ],
    ["getAccountRegion", () => track.getAccountRegion()],
  ],
};

for (const [call, make] of JOBS[job]) {
  const line = await Promise.resolve()
    .then(make)
    .then(
      (answer) => ({ call, answer }),
      (error) => ({ call, status: error.statusCode, error: error.message }),
    );
  process.stdout.write(`${JSON.stringify(line)}\n`);
}
process.stdout.write('{"ended":true}\n');
