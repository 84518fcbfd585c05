/** Who may do what: one test per cell. A number below 1,000 is a status, above it an error code. */
import { describe, expect, test } from "vitest";
import { issueInstanceToken } from "../../core/authentication/instance-token";
import { writeCallRecord } from "../../core/calls/archive";
import { writeMessages } from "../../core/messages/archive";
import { savePushCredential } from "../../core/push/credential-store";
import { declineKey } from "../../core/push/decline-key";
import { storeOf } from "../../workers/context";
import { Participant } from "../integration/conference-world";
import { messageId } from "../integration/peer";
import { fcmBody } from "./push-material";
import {
  adminHeaders,
  basic,
  bearer,
  bindings,
  isErrorBody,
  newApplication,
  newInstance,
  request,
  signed,
  type TestApplication,
  type TestInstance,
  tokenRegistration,
  unique,
} from "./support";

interface Cell {
  /** The application that it is about, and another one. */
  a: TestApplication;
  b: TestApplication;
  /** The instance that it is about. */
  alice: TestInstance;
  /** What alice has sent to erin. */
  messageId: string;
  /** What the application pushes with. */
  credentialId: string;
  /** A conference, and the call of the one who is in. */
  conference: { id: string; callId: string };
}

interface Endpoint {
  method: string;
  path: (cell: Cell) => string;
  body?: (cell: Cell) => unknown;
  /** It changes the application itself: the cell gets one of its own. */
  ownApplication?: true;
  /** Somebody is in the cell's conference. */
  inConference?: true;
  /** Where one is tried in several ways. */
  variant?: string;
  expected: Record<Who, number>;
}

type Headers = Record<string, string>;
type Caller = (cell: Cell, endpoint: { method: string; path: string; body: unknown }) => Promise<Headers>;

const wrongSecret = "AAAAAAAAAAAAAAAAAAAAAA==";
const day = 86_400_000;

const callers = {
  nobody: async () => ({}),
  "a wrong secret": ({ a }, { method, path, body }) =>
    signed({ ...a, secret: wrongSecret }, method, path, body),
  "A, signed": ({ a }, { method, path, body }) => signed(a, method, path, body),
  "A, basic": async ({ a }) => basic(a),
  "B, signed": ({ b }, { method, path, body }) => signed(b, method, path, body),
  "A's alice": async ({ alice }) => bearer(alice.token),
  "A's bob": async ({ a }) => bearer((await newInstance(a, unique("bob"))).token),
  "B's user of that name": async ({ b, alice }) => bearer((await newInstance(b, alice.userId)).token),
  "alice, expired": async ({ alice }) => {
    const identity = { ...alice, applicationKey: alice.application.key };
    const { token } = await issueInstanceToken(bindings.MASTER_KEY, identity, Date.now() - 31 * day);
    return bearer(token);
  },
  "alice, revoked": async ({ a, alice }) => {
    const other = await newInstance(a, alice.userId);
    await request("DELETE", `/v1/instances/${other.instanceId}`, { headers: bearer(other.token) });
    return bearer(other.token);
  },
  administrator: async () => adminHeaders(),
} satisfies Record<string, Caller>;

type Who = keyof typeof callers;

/** Those who may read what alice has sent. */
const mayRead = new Set<Who>(["A, signed", "A, basic", "A's alice"]);

const everybody = (code: number) =>
  Object.fromEntries(Object.keys(callers).map((who) => [who, code])) as Record<Who, number>;

/** A signed request or Basic; the other application comes to its own, where there is nothing. */
const application = (code: number, other: number): Record<Who, number> => ({
  ...everybody(40108),
  nobody: 40100,
  "a wrong secret": 40102,
  "A, signed": code,
  "A, basic": code,
  "B, signed": other,
});

const instance = (code: number, change: Partial<Record<Who, number>> = {}): Record<Who, number> => ({
  ...everybody(40108),
  nobody: 40100,
  "A's alice": code,
  "A's bob": code,
  "B's user of that name": code,
  "alice, expired": 40104,
  "alice, revoked": 40105,
  administrator: 40106,
  ...change,
});

const administrator = (code: number): Record<Who, number> => ({
  ...everybody(40100),
  "a wrong secret": 40108,
  "A, signed": 40108,
  "A, basic": 40108,
  "B, signed": 40108,
  administrator: code,
});

/** A call of alice's, whose id is her instance's. */
const callOf = ({ alice }: Cell) => alice.instanceId;
const userPath = (rest: string) => (cell: Cell) => `/v1/users/${cell.alice.userId}/${rest}`;
const adminPath = (rest: string) => (cell: Cell) => `/v1/admin/applications/${cell.a.key}${rest}`;
const accountPath = (rest: string) => () => `/v1/admin/accounts/table${rest}`;
const adminUserPath = (rest: string) => (cell: Cell) =>
  adminPath(`/users/${cell.alice.userId}/${rest}`)(cell);
const statistics = (cell: Cell) => ({
  callId: callOf(cell),
  direction: "outgoing",
  endCause: "hungUp",
  setup: { ended: 1 },
  userAgent: "",
  sdk: "test",
});
/** Declining a call that nobody has. */
const declined = async (cell: Cell, key?: string) => {
  const call = { applicationKey: cell.a.key, userId: cell.alice.userId, callId: callOf(cell) };
  return { ...call, key: key ?? (await declineKey(bindings.MASTER_KEY, call)) };
};
const onlyOfAlice = { "A's bob": 40300, "B's user of that name": 40300 };

const conference = (cell: Cell) => `/calling/v1/conferences/id/${cell.conference.id}`;
const participant = (cell: Cell) => `${conference(cell)}/${cell.conference.callId}`;
const adminConference = (cell: Cell) =>
  adminPath(`/conferences/id?conferenceId=${cell.conference.id}&callId=${cell.conference.callId}`)(cell);
const mute = () => ({ command: "mute" });

const endpoints: Endpoint[] = [
  { method: "GET", path: () => "/health", expected: everybody(200) },
  { method: "GET", path: () => "/v1/connect", expected: everybody(42600) },
  { method: "GET", path: () => "/v1/nothing", expected: everybody(40400) },
  {
    method: "POST",
    path: () => "/v1/instances",
    body: ({ a }) => tokenRegistration(a, unique("carol")),
    expected: everybody(201),
  },
  {
    method: "POST",
    path: () => "/v1/instances/renew",
    expected: instance(200, { "alice, expired": 200 }),
  },
  {
    method: "DELETE",
    path: ({ alice }) => `/v1/instances/${alice.instanceId}`,
    // The revoked one is another instance of alice's.
    expected: instance(204, { ...onlyOfAlice, "alice, expired": 204, "alice, revoked": 40300 }),
  },
  { method: "GET", path: () => "/v1/ice-servers", expected: instance(200) },
  { method: "GET", path: () => "/v1/history?with=erin", expected: instance(200) },
  {
    method: "POST",
    path: () => "/v1/statistics",
    body: statistics,
    // In B there is no such call.
    expected: instance(204, { "A's bob": 40400, "B's user of that name": 40400 }),
  },
  { method: "GET", path: () => "/v1/users", expected: application(200, 200) },
  { method: "GET", path: userPath("presence"), expected: application(200, 40401) },
  { method: "GET", path: userPath("instances"), expected: application(200, 200) },
  { method: "DELETE", path: userPath("instances"), expected: application(200, 200) },
  {
    method: "DELETE",
    path: (cell) => userPath(`instances/${cell.alice.instanceId}`)(cell),
    expected: application(204, 40400),
  },
  {
    method: "DELETE",
    path: ({ alice }) => `/v1/users/${alice.userId}`,
    // Where there is no such user, there is none afterwards.
    expected: application(204, 204),
  },
  {
    method: "POST",
    path: () => "/v1/messages",
    body: ({ alice }) => ({ recipients: [alice.userId], text: "hi" }),
    expected: application(201, 40401),
  },
  {
    method: "POST",
    path: () => "/v1/messages",
    variant: ", as a user",
    body: ({ alice }) => ({ sender: alice.userId, recipients: [alice.userId], text: "as alice" }),
    expected: application(201, 40401),
  },
  {
    method: "GET",
    path: ({ alice }) => `/v1/messages?userId=${alice.userId}`,
    expected: application(200, 200),
  },
  {
    method: "GET",
    path: ({ alice }) => `/v1/messages?participants=${alice.userId}&participants=erin`,
    expected: application(200, 200),
  },
  { method: "GET", path: (cell) => `/v1/messages/${cell.messageId}`, expected: application(200, 40400) },
  { method: "PUT", path: userPath("block"), expected: application(204, 204) },
  { method: "DELETE", path: userPath("block"), expected: application(204, 204) },
  { method: "GET", path: () => "/v1/calls", expected: application(200, 200) },
  { method: "GET", path: (cell) => `/v1/calls/${callOf(cell)}`, expected: application(200, 40400) },
  {
    method: "PUT",
    path: () => "/v1/push/device",
    body: () => ({ provider: "fcm", token: "t" }),
    expected: instance(200),
  },
  { method: "DELETE", path: () => "/v1/push/device", expected: instance(204) },
  {
    method: "PUT",
    path: () => "/v1/push/data",
    body: () => ({ data: "YQ==" }),
    expected: instance(204),
  },
  { method: "DELETE", path: () => "/v1/push/data", expected: instance(204) },
  // Neither application has a credential for Web Push.
  { method: "GET", path: () => "/v1/push/web", expected: instance(40400) },
  {
    method: "POST",
    path: () => "/v1/push/decline",
    body: (cell) => declined(cell, "wrong"),
    expected: everybody(40300),
  },
  {
    method: "POST",
    path: () => "/v1/push/decline",
    variant: ", with the key",
    body: (cell) => declined(cell),
    expected: everybody(40400),
  },
  { method: "GET", path: () => "/v1/push/feedback", expected: application(200, 200) },
  { method: "GET", path: () => "/v1/push/credentials", expected: application(200, 200) },
  {
    method: "PUT",
    path: () => "/v1/push/credentials",
    body: () => fcmBody(),
    expected: application(200, 200),
  },
  {
    method: "DELETE",
    path: (cell) => `/v1/push/credentials/${cell.credentialId}`,
    expected: application(204, 40400),
  },
  {
    method: "GET",
    path: () => "/v1/credits",
    // Its users may not unless the account says so.
    expected: {
      ...instance(40300),
      "a wrong secret": 40102,
      "A, signed": 200,
      "A, basic": 200,
      "B, signed": 200,
    },
  },
  { method: "GET", path: () => "/v1/credits/ledger", expected: application(200, 200) },
  { method: "GET", path: conference, inConference: true, expected: application(200, 40400) },
  { method: "DELETE", path: conference, inConference: true, expected: application(204, 40400) },
  { method: "PATCH", path: participant, body: mute, inConference: true, expected: application(204, 40400) },
  { method: "DELETE", path: participant, inConference: true, expected: application(204, 40400) },
  {
    method: "POST",
    path: () => "/calling/v1/callouts",
    body: ({ alice, conference }) => ({
      method: "conferenceCallout",
      conferenceCallout: {
        destination: { type: "username", endpoint: alice.userId },
        conferenceId: conference.id,
      },
    }),
    inConference: true,
    // The other one calls a user of its own, who is not there, into a conference of its own.
    expected: application(200, 200),
  },
  {
    method: "GET",
    path: (cell) => adminPath(`/conferences/id/${cell.conference.id}`)(cell),
    inConference: true,
    expected: administrator(200),
  },
  {
    method: "PATCH",
    path: adminConference,
    body: mute,
    inConference: true,
    expected: administrator(204),
  },
  { method: "DELETE", path: adminConference, inConference: true, expected: administrator(204) },
  {
    method: "POST",
    path: () => "/v1/admin/applications",
    body: () => ({ name: "x" }),
    expected: administrator(201),
  },
  { method: "GET", path: () => "/v1/admin/applications", expected: administrator(200) },
  {
    method: "POST",
    path: adminPath("/rotate"),
    body: () => ({}),
    ownApplication: true,
    expected: administrator(200),
  },
  { method: "DELETE", path: adminPath("/secrets/x"), ownApplication: true, expected: administrator(40400) },
  { method: "DELETE", path: adminPath(""), ownApplication: true, expected: administrator(204) },
  { method: "POST", path: adminUserPath("token"), body: () => ({}), expected: administrator(201) },
  { method: "GET", path: adminPath("/users"), expected: administrator(200) },
  { method: "GET", path: adminUserPath("presence"), expected: administrator(200) },
  { method: "GET", path: adminUserPath("instances"), expected: administrator(200) },
  { method: "DELETE", path: adminUserPath("instances"), expected: administrator(200) },
  {
    method: "DELETE",
    path: (cell) => adminUserPath(`instances/${cell.alice.instanceId}`)(cell),
    expected: administrator(204),
  },
  {
    method: "DELETE",
    path: (cell) => adminPath(`/users/${cell.alice.userId}`)(cell),
    expected: administrator(204),
  },
  { method: "PUT", path: adminUserPath("block"), expected: administrator(204) },
  { method: "DELETE", path: adminUserPath("block"), expected: administrator(204) },
  { method: "GET", path: adminPath("/push/credentials"), expected: administrator(200) },
  {
    method: "PUT",
    path: adminPath("/push/credentials"),
    body: () => fcmBody(),
    expected: administrator(200),
  },
  {
    method: "DELETE",
    path: (cell) => adminPath(`/push/credentials/${cell.credentialId}`)(cell),
    expected: administrator(204),
  },
  {
    method: "PATCH",
    path: () => "/v1/admin/accounts/table",
    body: () => ({ allowCrossApplication: false }),
    expected: administrator(204),
  },
  { method: "GET", path: accountPath("/credits"), expected: administrator(200) },
  { method: "GET", path: accountPath("/ledger"), expected: administrator(200) },
  {
    method: "POST",
    path: accountPath("/top-ups"),
    body: () => ({ amount: 1 }),
    expected: administrator(201),
  },
  {
    method: "POST",
    path: accountPath("/refunds"),
    // The account has paid for none.
    body: (cell) => ({ applicationKey: cell.a.key, callId: callOf(cell) }),
    expected: administrator(40400),
  },
  {
    method: "PUT",
    path: () => "/v1/admin/rates",
    body: () => "prefix,name,perMinute,connectFee,increment\n46,Sweden,0.01,0,60",
    expected: administrator(200),
  },
  { method: "GET", path: () => "/v1/admin/rates", expected: administrator(200) },
  { method: "GET", path: () => "/v1/admin/rates/33", expected: administrator(40400) },
];

const a = await newApplication("table");
const b = await newApplication("table");

async function newCell(endpoint: Endpoint): Promise<Cell> {
  const own = endpoint.ownApplication ? await newApplication("table") : a;
  const alice = await newInstance(own, unique("alice"));
  await writeCallRecord(bindings.DB, {
    applicationKey: own.key,
    callId: alice.instanceId,
    callerUserId: alice.userId,
    calleeApplicationKey: own.key,
    calleeUserId: "dave",
    video: false,
    times: { started: 1, ended: 2 },
    endCause: "noAnswer",
  });
  const id = messageId();
  const message = { id, from: alice.userId, to: ["erin"], text: `whispered by ${alice.userId}`, headers: {} };
  await writeMessages(bindings.DB, own.key, [{ ...message, time: Date.now(), recipient: "erin" }]);
  const saved = await savePushCredential(storeOf(bindings), own.key, {
    ...{
      provider: "fcm",
      projectId: "table",
      clientEmail: `of ${own.key}`,
      privateKeyId: "",
      privateKey: "",
    },
  });
  if (!saved.ok) throw new Error(saved.error.message);
  const conference = { id: unique("room"), callId: alice.instanceId };
  if (endpoint.inConference) {
    const somebody = await Participant.join(conference.id, { applicationKey: own.key });
    conference.callId = somebody.id;
  }
  return { a: own, b, alice, messageId: id, credentialId: saved.value.id, conference };
}

const template: Cell = {
  a: { key: "{key}", secret: "" },
  b,
  alice: { application: a, userId: "{user}", instanceId: "{id}", token: "" },
  messageId: "{messageId}",
  credentialId: "{credentialId}",
  conference: { id: "{conferenceId}", callId: "{callId}" },
};

for (const endpoint of endpoints) {
  const { method, expected } = endpoint;
  describe(`${method} ${endpoint.path(template)}${endpoint.variant ?? ""}`, () => {
    test.each(Object.keys(callers) as Who[])("%s", async (who) => {
      const cell = await newCell(endpoint);
      const path = endpoint.path(cell);
      const body = await endpoint.body?.(cell);
      const headers = await callers[who](cell, { method, path, body });
      const answer = await request(method, path, { body, headers });
      const failed = answer.status >= 400;
      expect(failed ? answer.body.errorCode : answer.status).toBe(expected[who]);
      if (failed) expect(isErrorBody(answer.body)).toBe(true);
      // Whatever another application gets to see, nothing of this one is in it.
      if (who.startsWith("B")) {
        expect(answer.text).not.toContain(cell.alice.userId);
        expect(answer.text).not.toContain(`of ${cell.a.key}`);
      }
      if (!mayRead.has(who)) expect(answer.text).not.toContain("whispered");
      if (failed || who.startsWith("B")) await expectUntouched(cell);
      if (endpoint.inConference && (failed || who.startsWith("B"))) await expectInConference(cell);
    });
  });
}

/** Alice is still there, and is what she was. */
async function expectUntouched({ alice }: Cell): Promise<void> {
  const answer = await request("GET", "/v1/ice-servers", { headers: bearer(alice.token) });
  expect(answer.status).toBe(200);
}

/** Who was in the conference is, and is heard; nobody else is. */
async function expectInConference(cell: Cell): Promise<void> {
  const { body } = await request("GET", conference(cell), { headers: basic(cell.a) });
  expect(body.participants).toMatchObject([{ id: cell.conference.callId, muted: false }]);
}
