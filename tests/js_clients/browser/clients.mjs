// The clients of browsers, each with what its documentation says about another host, and nothing more.
// esbuild bundles this file, as the bundler of a shop would.

// The calls of analytics.js: what a message holds stands in arguments by their place.
const positional = (client, others = {}) => ({
  send: ({ type, event, name, userId, groupId, previousId, properties, traits, ...options }) => {
    const calls = {
      track: () => client.track(event, properties, options),
      page: () => client.page(name, properties, options),
      screen: () => client.screen?.(name, properties, options), // RudderStack's and Jitsu's have none
      identify: () => client.identify(userId, traits, options),
      group: () => client.group(groupId, traits, options),
      alias: () => client.alias?.(userId, previousId, options), // Jitsu's has none
      ...(others.page && { page: () => others.page(name, properties, options) }),
    };
    return calls[type]();
  },
});

// A call that waits for the settings takes the user of a later `identify`, so that the visit begins when they are here.
const loaded = async (buffered) => (await buffered)[0];

export const CLIENTS = {
  segment: async (cdnURL, writeKey, options) => {
    const { AnalyticsBrowser } = await import("@segment/analytics-next");
    return positional(await loaded(AnalyticsBrowser.load({ writeKey, cdnURL }, options)));
  },
  customerio: async (cdnURL, writeKey, options) => {
    const { AnalyticsBrowser } = await import("@customerio/cdp-analytics-browser");
    return positional(await loaded(AnalyticsBrowser.load({ writeKey, cdnURL }, options)));
  },
  rudderstack: async (host, writeKey, options) => {
    const { RudderAnalytics } = await import("@rudderstack/analytics-js/bundled");
    const client = new RudderAnalytics();
    await new Promise((onLoaded) => client.load(writeKey, host, { configUrl: host, onLoaded, ...options }));
    return positional(client);
  },
  jitsu: async (host, writeKey, options) => {
    const { jitsuAnalytics } = await import("@jitsu/js");
    const client = jitsuAnalytics({ host, writeKey, ...options });
    return positional(client, { page: (name, properties) => client.page({ name, ...properties }) });
  },
};
