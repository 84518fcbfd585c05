// @ts-check
/** The three providers together, on free ports of this machine. */
import { Apns } from "./apns.mjs";
import { Book, TestClock } from "./desk.mjs";
import { Fcm } from "./fcm.mjs";
import { WebPush } from "./webpush.mjs";

/**
 * @typedef {object} Providers
 * @property {Apns} apns
 * @property {Fcm} fcm
 * @property {WebPush} webpush
 * @property {Book} book everything that arrived
 * @property {TestClock} clock
 * @property {Record<string, string>} settings what tells the platform where they are
 * @property {() => void} calm no more trouble
 * @property {() => Promise<void>} close
 */

/**
 * `deviceRate`: of APNs; `secret`: of FCM's access tokens.
 *
 * @param {{ tls?: import("./listen.mjs").Tls, deviceRate?: { count: number, ms: number }, secret?: string }} [options]
 * @returns {Promise<Providers>}
 */
export async function startProviders({ tls, deviceRate, secret } = {}) {
  const [book, clock] = [new Book(), new TestClock()];
  const apns = new Apns({ book, clock, deviceRate });
  const fcm = new Fcm({ book, clock, secret });
  const webpush = new WebPush({ book, clock });
  const all = [apns, fcm, webpush];
  await Promise.all(all.map((one) => one.listen({ tls })));
  return {
    ...{ apns, fcm, webpush, book, clock },
    settings: {
      APNS_PRODUCTION_URL: apns.url.production,
      APNS_DEVELOPMENT_URL: apns.url.development,
      FCM_URL: fcm.url,
      FCM_TOKEN_URL: fcm.tokenUrl,
      WEB_PUSH_HOSTS: webpush.url,
    },
    calm() {
      apns.desk.calm();
      fcm.calm();
      webpush.desk.calm();
    },
    close: async () => {
      await Promise.all(all.map((one) => one.close()));
    },
  };
}
