import { expect, test } from "vitest";
import { parseArguments, UsageError } from "./carillon-arguments.mjs";

const key = "196087a1-e815-4bc4-8984-60d8d8a43f1d";
const application = `/v1/admin/applications/${key}`;

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
])("%j", (words, method, path, body) => {
  const { request } = parseArguments(words);
  expect(request).toEqual({ method, path, ...(body ? { body } : {}) });
});

test("lists are read to their end", () => {
  expect(parseArguments(["app", "list"]).request?.listOf).toBe("applications");
  expect(parseArguments(["user", "list", key]).request?.listOf).toBe("users");
});

test("options go anywhere", () => {
  const words = ["--json", "app", "list", "--url", "http://127.0.0.1:1", "--token=a=b"];
  expect(parseArguments(words).options).toEqual({ json: true, url: "http://127.0.0.1:1", token: "a=b" });
});

test.each([[[]], [["--help"]], [["app", "-h"]]])("%j: help", (words) => {
  expect(parseArguments(words)).toEqual({ help: true });
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
])("%j: %s", (words, message) => {
  expect(() => parseArguments(words)).toThrow(UsageError);
  expect(() => parseArguments(words)).toThrow(message);
});
