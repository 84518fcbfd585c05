// @ts-check
/**
 * The stand-ins from outside, for tests and benchmarks in another process: JSON over HTTP.
 *
 * | request | body | answer |
 * | --- | --- | --- |
 * | `GET /settings` | | where the providers are, by the names of the platform's settings |
 * | `GET /pushes?after=0` | | `{pushes}` with a greater number, oldest first |
 * | `DELETE /pushes` | | 204: they are forgotten |
 * | `POST /keys` | `{provider: "apns" \| "fcm", …}`: an `ApnsKey` or a `ServiceAccount` | 204 |
 * | `POST /devices` | `{provider, …}`: what `addDevice` or `subscribe` takes | 201 `{token}` or a subscription |
 * | `DELETE /devices` | `{provider, token}` | 204: the app is gone from the device |
 * | `POST /troubles` | `{provider, trouble, token?, times?}`; `oauth` is a provider, too | 204 |
 * | `DELETE /troubles` | | 204 |
 * | `GET /mints?provider=apns&of=…` | | `{mints}` of a key id or a service account's address |
 * | `POST /clock` | `{advance}`, milliseconds | 204 |
 */
import { parseObject } from "./jwt.mjs";

/**
 * @typedef {import("./listen.mjs").Asked} Asked
 * @typedef {import("./listen.mjs").Answer} Answer
 * @typedef {import("./providers.mjs").Providers} Providers
 */

const json = { "content-type": "application/json" };
const done = { status: 204 };

/** @param {Providers} providers @param {Asked} asked @returns {Answer | undefined} undefined: not for here */
export function control(providers, { method, path, headers, body }) {
  const { pathname, searchParams } = new URL(path, "http://control");
  const route = routes[`${method} ${pathname}`];
  if (!route) return undefined;
  // A page of somebody else's in the same browser can send a form here, but not this without being allowed to.
  const needsJson = method === "POST" || body.length > 0;
  if (needsJson && headers["content-type"] !== json["content-type"])
    return { status: 415, body: "application/json, please" };
  const given = body.length > 0 ? parseObject(body.toString()) : {};
  if (!given) return { status: 400, body: "no JSON" };
  try {
    return route(providers, given, searchParams);
  } catch (error) {
    return { status: 400, body: String(error) };
  }
}

/** @type {Record<string, (providers: Providers, given: any, query: URLSearchParams) => Answer>} */
const routes = {
  "GET /settings": ({ settings }) => answer(settings),
  "GET /pushes": ({ book }, _, query) =>
    answer({ pushes: book.pushes.filter(({ number }) => number > Number(query.get("after") ?? 0)) }),
  "DELETE /pushes"({ book }) {
    book.clear();
    return done;
  },
  "POST /keys"({ apns, fcm }, { provider, ...key }) {
    if (provider === "apns") apns.addKey(key);
    else fcm.addAccount(key);
    return done;
  },
  "POST /devices"({ apns, fcm, webpush }, { provider, ...device }) {
    if (provider === "webpush") return answer(webpush.subscribe(device), 201);
    return answer({ token: (provider === "apns" ? apns : fcm).addDevice(device) }, 201);
  },
  "DELETE /devices"({ apns, fcm, webpush }, { provider, token }) {
    if (provider === "webpush") webpush.unsubscribe(token);
    else (provider === "apns" ? apns : fcm).unregister(token);
    return done;
  },
  "POST /troubles"({ apns, fcm, webpush }, { provider, trouble, token, times }) {
    if (provider === "oauth") fcm.tokenTrouble(trouble, times);
    else ({ apns, fcm, webpush })[/** @type {"apns"} */ (provider)].desk.trouble(trouble, { token, times });
    return done;
  },
  "DELETE /troubles"(providers) {
    providers.calm();
    return done;
  },
  "GET /mints": ({ apns, fcm }, _, query) =>
    answer({ mints: (query.get("provider") === "apns" ? apns : fcm).mints(query.get("of") ?? "") }),
  "POST /clock"({ clock }, { advance }) {
    clock.advance(advance);
    return done;
  },
};

/** @param {unknown} value @param {number} [status] @returns {Answer} */
function answer(value, status = 200) {
  return { status, headers: json, body: JSON.stringify(value) };
}
