import { expect, test } from "vitest";
import { isPushEndpoint } from "./push-endpoint";

test.each([
  "https://fcm.googleapis.com/fcm/send/abc:def",
  "https://updates.push.services.mozilla.com/wpush/v2/gAAAA",
  "https://web.push.apple.com/QGuQyavXutnMH",
  "https://wns2-par02p.notify.windows.com/w/?token=BQYA",
  "https://FCM.GOOGLEAPIS.COM/fcm/send/abc",
])("pushes go to %s", (endpoint) => {
  expect(isPushEndpoint(endpoint, undefined)).toBe(true);
});

test.each([
  "",
  "no url",
  "http://fcm.googleapis.com/fcm/send/abc",
  "https://fcm.googleapis.com:8443/fcm/send/abc",
  "https://fcm.googleapis.com.example.com/",
  "https://fcm.googleapis.com@example.com/",
  "https://user:secret@fcm.googleapis.com/",
  "https://evil-push.apple.com/",
  "https://push.apple.com/",
  "https://example.com/?host=web.push.apple.com",
  "https://127.0.0.1/",
  "http://127.0.0.1:8080/",
  "http://169.254.169.254/latest/meta-data",
  "javascript:alert(1)",
  "file:///etc/passwd",
])("and not to %s", (endpoint) => {
  expect(isPushEndpoint(endpoint, undefined)).toBe(false);
  expect(isPushEndpoint(endpoint, "")).toBe(false);
});

test.each([
  ["https://push.example.com/x", "push.example.com", true],
  ["https://push.example.com/x", " a.example , push.example.com ", true],
  ["https://a.push.example.com/x", "*.push.example.com", true],
  ["https://push.example.com/x", "*.push.example.com", false],
  ["https://push.example.com:8443/x", "push.example.com", false],
  ["https://push.example.com:8443/x", "push.example.com:8443", true],
  ["http://push.example.com/x", "push.example.com", false],
  ["http://push.example.com/x", "http://push.example.com", false],
  ["http://127.0.0.1:8080/x", "http://127.0.0.1:8080", true],
  ["http://localhost:8080/x", "http://localhost:8080", true],
  ["http://127.0.0.1:8081/x", "http://127.0.0.1:8080", false],
  ["http://127.0.0.1:8080/x", "127.0.0.1:8080", false],
  ["https://127.0.0.1:8080/x", "https://127.0.0.1:8080", true],
])("%s with WEB_PUSH_HOSTS of %s: %s", (endpoint, hosts, allowed) => {
  expect(isPushEndpoint(endpoint, hosts)).toBe(allowed);
});
