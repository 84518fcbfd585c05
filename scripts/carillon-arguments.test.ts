import { expect, test } from "vitest";
import { parseArguments, UsageError } from "./carillon-arguments.mjs";
import { participantsInWords } from "./lib/conference-words.mjs";
import { creditsInWords, entryLine } from "./lib/credit-words.mjs";
import { checkInWords } from "./lib/trunk-words.mjs";

const key = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const application = `/v1/admin/applications/${key}`;

const files: Record<string, string> = {
  "AuthKey_X.p8": "-----BEGIN PRIVATE KEY-----\n",
  "account.json": '{"type":"service_account"}',
  "vapid.key": "secret\n",
  "trunk.txt": "pass word \n",
  "rates.csv": "prefix,name,perMinute,connectFee,increment\n",
};
const read = (path: string) => files[path] ?? "";

test.each([
  [["app", "create", "My app"], "POST", "/v1/admin/applications", { name: "My app", account: undefined }],
  [
    ["app", "create", "x", "--account=team"],
    "POST",
    "/v1/admin/applications",
    { name: "x", account: "team" },
  ],
  [["app", "rotate", key], "POST", `${application}/rotate`, { keepOld: true, revokeInstances: false }],
  [
    ["app", "rotate", "--end-old", key, "--revoke-instances"],
    "POST",
    `${application}/rotate`,
    { keepOld: false, revokeInstances: true },
  ],
  [["app", "revoke-secret", key, "s1"], "DELETE", `${application}/secrets/s1`, undefined],
  [["app", "delete", key], "DELETE", application, undefined],
  [
    ["account", "cross-calls", "team", "on"],
    "PATCH",
    "/v1/admin/accounts/team",
    { allowCrossApplication: true },
  ],
  [["user", "token", key, "alice"], "POST", `${application}/users/alice/token`, {}],
  [
    ["user", "token", key, "alice", "--ttl", "60"],
    "POST",
    `${application}/users/alice/token`,
    { ttlSeconds: 60 },
  ],
  [["user", "block", key, "a/b%"], "PUT", `${application}/users/a%2Fb%25/block`, undefined],
  [["user", "unblock", key, "alice"], "DELETE", `${application}/users/alice/block`, undefined],
  [["user", "presence", key, "alice"], "GET", `${application}/users/alice/presence`, undefined],
  [["user", "log-out", key, "alice"], "DELETE", `${application}/users/alice/instances`, undefined],
  [["push", "remove", "id/1", "--app", key], "DELETE", `${application}/push/credentials/id%2F1`, undefined],
])("%j", (words, method, path, body) => {
  const { request } = parseArguments(words, read);
  expect(request).toEqual({ method, path, ...(body ? { body } : {}) });
});

const apns = ["push", "set", "apns", "--app", key, "--key-file", "AuthKey_X.p8"];
const ids = ["--key-id", "ABCDE12345", "--team-id", "TEAM567890"];
const webpush = ["push", "set", "webpush", "--app", key, "--subject", "mailto:a@example.com"];
const pair = ["--public-key", "BPub", "--private-key-file", "vapid.key"];

test.each<[string[], object]>([
  [
    [...apns, ...ids],
    { provider: "apns", privateKey: files["AuthKey_X.p8"], keyId: "ABCDE12345", teamId: "TEAM567890" },
  ],
  [
    [...apns, ...ids, "--bundle", "com.example.app", "--environment=production"],
    expect.objectContaining({ bundleId: "com.example.app", environment: "production" }),
  ],
  [
    ["push", "set", "fcm", "--service-account", "account.json", "--app", key],
    { provider: "fcm", serviceAccount: { type: "service_account" } },
  ],
  [[...webpush, "--generate"], { provider: "webpush", generate: true, subject: "mailto:a@example.com" }],
  [
    [...webpush, ...pair],
    { provider: "webpush", publicKey: "BPub", privateKey: "secret", subject: "mailto:a@example.com" },
  ],
])("%j uploads a credential, its key read from a file", (words, body) => {
  const { request } = parseArguments(words, read);
  expect(request).toEqual({ method: "PUT", path: `${application}/push/credentials`, body });
});

const trunk = ["--app", key, "--name", "Carrier", "--gateway", "wss://sip.example.com", "--user", "alice"];
const least = [...trunk, "--from-domain", "example.com"];
const carrier = { name: "Carrier", url: "wss://sip.example.com", user: "alice", fromDomain: "example.com" };

test.each<[string[], string, string, object]>([
  [
    ["trunk", "add", ...least, "--password-file", "trunk.txt"],
    "POST",
    `${application}/trunks`,
    { ...carrier, password: "pass word " },
  ],
  [
    ["trunk", "replace", "id/1", ...least, "--prefixes", "+46, !+46900", "--domains=a.example,b.example"],
    "PUT",
    `${application}/trunks/id%2F1`,
    { ...carrier, prefixes: ["+46", "!+46900"], domains: ["a.example", "b.example"] },
  ],
  [
    [
      "trunk",
      "add",
      ...least,
      "--password-file=trunk.txt",
      "--preference",
      "3",
      "--caller-id",
      "+46701234567",
    ],
    "POST",
    `${application}/trunks`,
    { ...carrier, password: "pass word ", preference: 3, callerId: "+46701234567" },
  ],
  [["trunk", "check", "id", "--app", key], "POST", `${application}/trunks/id/check`, {}],
])("%j says what a trunk is", (words, method, path, body) => {
  const { request } = parseArguments(words, read);
  expect(request).toEqual({ method, path, body });
});

const of = `${application}/conferences/id?conferenceId=`;

test.each<[string[], object]>([
  [["list", "..", "--app", key], { method: "GET", path: `${of}..` }],
  [
    ["mute", "a/b c&+%", "c", "--app", key],
    { method: "PATCH", path: `${of}a%2Fb+c%26%2B%25&callId=c`, body: { command: "mute" } },
  ],
  [
    ["hold", "room", "c", "--app", key],
    { method: "PATCH", path: `${of}room&callId=c`, body: { command: "onhold" } },
  ],
  [["kick", "room", "c", "--app", key], { method: "DELETE", path: `${of}room&callId=c` }],
  [["kick-all", "room", "--app", key], { method: "DELETE", path: `${of}room` }],
])("conference %j", (words, request) => {
  expect(parseArguments(["conference", ...words], read).request).toEqual(request);
});

test("who is in a conference, a line for each", () => {
  const alice = { id: "c1", cli: "alice", duration: 7, muted: true, onhold: true };
  const bob = { id: "c2", cli: "bob", duration: 0, muted: false, onhold: false };
  expect(participantsInWords({ participants: [alice, bob] })).toBe(
    "c1  alice  7 s  muted  on hold\nc2  bob  0 s",
  );
});

test.each<[object, string]>([
  [
    { reachable: true, status: 200, reason: "OK", ms: 12.3, server: "kamailio" },
    "answered 200 OK in 12 ms, as kamailio",
  ],
  [{ reachable: false, problem: "no such host" }, "cannot be reached: no such host"],
  [
    { reachable: true, status: 401, reason: "Unauthorized", problem: "the password is wrong" },
    "answered 401 Unauthorized: the password is wrong",
  ],
])("%j in words", (check, words) => {
  expect(checkInWords(check)).toBe(words);
});

const team = "/v1/admin/accounts/team";
const rateCard = files["rates.csv"];

test.each<[string[], object]>([
  [["account", "show-balance", "team", "off"], { method: "PATCH", path: team, body: { showBalance: false } }],
  [["credit", "show", "team"], { method: "GET", path: `${team}/credits` }],
  [
    ["credit", "top-up", "team", "25"],
    { method: "POST", path: `${team}/top-ups`, body: { amount: 25_000_000 } },
  ],
  [
    ["credit", "top-up", "team", "0.000001", "--key", "k", "--note=n"],
    { method: "POST", path: `${team}/top-ups`, body: { amount: 1, key: "k", note: "n" } },
  ],
  [
    ["credit", "refund", "team", "c", "--app", key],
    { method: "POST", path: `${team}/refunds`, body: { applicationKey: key, callId: "c" } },
  ],
  [
    ["credit", "refund", "team", "c", "--app", key, "--amount", "12.34"],
    {
      ...{ method: "POST", path: `${team}/refunds` },
      body: { applicationKey: key, callId: "c", amount: 12_340_000 },
    },
  ],
  [["credit", "ledger", "team"], { method: "GET", path: `${team}/ledger`, listOf: "entries" }],
  [
    ["credit", "ledger", "team", "--since", "2026-11-01"],
    { method: "GET", path: `${team}/ledger?since=2026-11-01`, listOf: "entries" },
  ],
  [["credit", "ledger", "team", "--csv"], { method: "GET", path: `${team}/ledger?format=csv` }],
  [["rates", "import", "rates.csv"], { method: "PUT", path: "/v1/admin/rates", csv: rateCard }],
  [["rates", "show"], { method: "GET", path: "/v1/admin/rates" }],
  [["rates", "find", "+4670"], { method: "GET", path: "/v1/admin/rates/%2B4670" }],
])("%j is about credits", (words, request) => {
  expect(parseArguments(words, read).request).toEqual(request);
});

test("amounts are told in units of the currency", () => {
  const balance = { balance: 12_340_000, currency: "USD", showBalance: false };
  expect(creditsInWords("credit show", balance)).toBe("12.34 USD");
  const topUp = { seq: 1, time: 0, kind: "topUp", amount: 500, key: "k", ...balance };
  expect(creditsInWords("credit top-up", topUp)).toBe(
    "topped up 0.0005 USD with the key k; the balance is 12.34 USD",
  );
  const rate = { prefix: "46", name: "Sweden", perMinute: 20_000, connectFee: 0, increment: 6 };
  expect(creditsInWords("rates find", { ...rate, currency: "EUR" })).toBe(
    "+46 Sweden: 0.02 EUR a minute, by 6 s",
  );
  const charge = { time: 0, kind: "charge", amount: -2_500_000, balance: 0, callId: "c" };
  expect([topUp, charge].map(entryLine)).toEqual([
    "1970-01-01T00:00:00.000Z  topUp  +0.0005  balance 12.34  key k",
    "1970-01-01T00:00:00.000Z  charge  -2.5  balance 0  call c",
  ]);
});

test.each(["0", "-5", "1e3", "1,5", "0.0000001", "12345678901", "", "five"])(
  "“%s” is no amount",
  (amount) => {
    expect(() => parseArguments(["credit", "top-up", "team", amount], read)).toThrow("is no amount");
  },
);

test("lists are read to their end", () => {
  expect(parseArguments(["app", "list"], read).request?.listOf).toBe("applications");
  expect(parseArguments(["user", "list", key], read).request?.listOf).toBe("users");
  const { request } = parseArguments(["push", "list", "--app", key], read);
  expect(request).toEqual({ method: "GET", path: `${application}/push/credentials`, listOf: "credentials" });
});

test("options go anywhere", () => {
  const words = ["--json", "app", "list", "--url", "http://127.0.0.1:1", "--token=a=b"];
  expect(parseArguments(words, read).options).toEqual({
    json: true,
    url: "http://127.0.0.1:1",
    token: "a=b",
  });
});

test.each([[[]], [["--help"]], [["app", "-h"]]])("%j: help", (words) => {
  expect(parseArguments(words, read)).toEqual({ help: true });
});

test.each([
  [["app"], "no command “app”"],
  [["app", "fly"], "no command “app fly”"],
  [["constructor"], "no command “constructor”"],
  [["app", "create"], "app create takes <name>"],
  [["app", "list", "x"], "takes no arguments"],
  [["app", "list", "--ttl", "1"], "knows no option --ttl"],
  [["app", "list", "--url"], "--url needs a value"],
  [["user", "token", key, "alice", "--ttl", "soon"], "--ttl: give whole seconds"],
  [["account", "cross-calls", "team", "maybe"], "say on or off"],
  [["push", "set"], "there is push set apns, push set fcm, push set webpush"],
  [["push", "set", "sms", "--app", key], "no command “push set”"],
  [["push", "list"], "push list needs --app"],
  [["push", "list", "--app="], "push list needs --app"],
  [["push", "list", key, "--app", key], "push list takes no arguments"],
  [["push", "remove", "--app", key], "push remove takes <id>"],
  [[...apns, "--key-id", "X"], "push set apns needs --team-id"],
  [[...apns, ...ids, "--subject", "x"], "push set apns knows no option --subject"],
  [[...apns, ...ids, "--private-key", "x"], "push set apns knows no option --private-key"],
  [["push", "set", "fcm", "--app", key, "--service-account", "vapid.key"], "vapid.key is not JSON"],
  [["trunk", "add", ...least], "trunk add needs --password-file"],
  [["trunk", "add", ...trunk, "--password-file", "trunk.txt"], "trunk add needs --from-domain"],
  [["trunk", "add", ...least, "--password", "x"], "trunk add knows no option --password"],
  // Who leaves the numbers out does not mean all of them.
  [["trunk", "replace", "id", ...least], "trunk replace needs --prefixes"],
  // Nor does who leaves the participant out mean everybody.
  [["conference", "kick", "room", "--app", key], "conference kick takes <conferenceId> <callId>"],
  [["conference", "list", "room"], "conference list needs --app"],
  [webpush, "give --generate, or both of"],
  [[...webpush, "--generate", ...pair], "give --generate, or both of"],
  [[...webpush, "--public-key", "x"], "give --generate, or both of"],
])("%j: %s", (words, message) => {
  expect(() => parseArguments(words, read)).toThrow(UsageError);
  expect(() => parseArguments(words, read)).toThrow(message);
});
