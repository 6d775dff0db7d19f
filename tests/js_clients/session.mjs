// One visit to a shop, in calls that every client has, with values that JSON cannot hold as they are.
// What has to arrive of it stands in session.py.

const HORSE = "\u{1F434}";

export const VISIT = [
  { type: "page", name: "Membership", properties: { section: "join" } },
  {
    type: "track",
    event: "Product Viewed",
    properties: {
      product: "socks",
      price: 23.45,
      price_text: "23.45",
      sum: 0.1 + 0.2,
      tiny: 5e-324,
      most: Number.MAX_SAFE_INTEGER,
      big: 2 ** 63,
      nan: Number.NaN,
      when: new Date("2024-03-12T10:00:00.123Z"),
      none: null,
      missing: undefined,
      flag: true,
      tags: ["a", ["b", { c: [1, 2.5, null, undefined] }]],
      text: `žluťoučký ${HORSE}`,
      half: HORSE.slice(0, 1),
      empty: {},
      nothing: [],
      map: new Map([["a", 1]]),
    },
  },
  {
    type: "identify",
    userId: "ada",
    traits: {
      email: "ada@example.com",
      first_name: "Ada",
      plan: "pro",
      created_at: new Date("2024-03-01T09:30:00Z"),
      nothing: null,
      missing: undefined,
      age: 34,
      address: { city: "Zürich", lines: ["Bahnhofstrasse 1"] },
    },
  },
  { type: "track", event: "purchase", properties: { product: "socks", price: 23.45 } },
  { type: "track", event: "backdated", properties: { n: 1 }, timestamp: new Date("2024-03-12T08:00:00Z") },
  { type: "screen", name: "Cart", properties: { items: 2 } },
  { type: "group", groupId: "acme", traits: { name: "Acme", employees: 420 } },
  { type: "alias", userId: "ada", previousId: "ada@example.com" },
];

// What asks for more than to be recorded.
export const REQUESTS = {
  device: {
    type: "track",
    event: "Device Created or Updated",
    properties: { attributes: { app_version: "1.2" } },
    context: { device: { token: "token-1", type: "ios" } },
  },
  deletion: { type: "track", event: "Delete Person", properties: {} },
};

// So many messages whose order and number can be checked, and so many bytes in each.
export const numbered = (count, bytes = 0) =>
  Array.from({ length: count }, (_, n) => ({
    type: "track",
    event: "numbered",
    properties: { n, ...(bytes && { filler: "x".repeat(bytes) }) },
  }));
