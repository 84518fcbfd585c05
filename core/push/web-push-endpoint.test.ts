import { expect, test } from "vitest";
import { isPushEndpoint } from "./web-push-endpoint";

const own =
  "Push.Example.com, *.example.net,http://127.0.0.1:8080,push.example.org:8443,http://10.0.0.1:8080";

test.each([
  "https://fcm.googleapis.com/fcm/send/abc:def",
  "https://FCM.googleapis.com:443/wp/abc",
  "https://updates.push.services.mozilla.com/wpush/v2/abc",
  "https://web.push.apple.com/abc",
  "https://wns2-par02p.notify.windows.com/w/?token=abc%3d",
])("%s is a browser's", (url) => {
  for (const hosts of [undefined, "", own]) expect(isPushEndpoint(url, hosts)).toBe(true);
});

test.each([
  "https://push.example.com/a",
  "https://a.b.example.net/a",
  "https://push.example.org:8443/a",
  "http://127.0.0.1:8080/push/a",
])("%s is allowed here, and only because a setting says so", (url) => {
  expect(isPushEndpoint(url, own)).toBe(true);
  expect(isPushEndpoint(url, undefined)).toBe(false);
});

test.each([
  "",
  "fcm.googleapis.com/a",
  "http://fcm.googleapis.com/a",
  "ftp://fcm.googleapis.com/a",
  "https://fcm.googleapis.com:8443/a",
  "https://fcm.googleapis.com./a",
  "https://fcm.googleapis.com.evil.example/a",
  "https://evil.example/fcm.googleapis.com",
  "https://evilfcm.googleapis.com/a",
  "https://fcm.googleapis.com@evil.example/a",
  "https://user:pass@fcm.googleapis.com/a",
  "https://evil.example#fcm.googleapis.com",
  "https://fcm.googleapis.com\n/a",
  " https://fcm.googleapis.com/a",
  "https://push.apple.com/a",
  "https://.push.apple.com/a",
  "https://evilpush.apple.com/a",
  "https://push.example.com:444/a",
  "https://push.example.org/a",
  "https://example.net/a",
  "https://*.example.net.evil.example/a",
  "http://push.example.com/a",
  "http://127.0.0.1/a",
  "http://127.0.0.1:8081/a",
  "https://127.0.0.1:8080/a",
  "http://127.0.0.1:8080@evil.example/a",
  "http://10.0.0.1:8080/a",
  "https://10.0.0.1/a",
  "https://[::1]/a",
  "javascript:alert(1)",
])("%j is nowhere to send to", (url) => {
  expect(isPushEndpoint(url, own)).toBe(false);
});
