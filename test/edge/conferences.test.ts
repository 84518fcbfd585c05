/** `/calling/v1/conferences`: how an id is read, whatever it is, and what the room is asked. */
import { createExecutionContext } from "cloudflare:test";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { requestSignature } from "../../core/authentication/rest";
import type { RoomAddress } from "../../durable-objects/conference-room/rpc";
import type { Env } from "../../durable-objects/env";
import { fail, ok } from "../../protocol";
import { app as edge } from "../../workers/app";
import { basic, bindings, newApplication, request } from "./support";

const application = await newApplication();
const callId = "0193aaaa-0000-4000-8000-000000000001";
const ids = "/calling/v1/conferences/id";

/** A stand-in for the rooms that takes down what they are asked; it refuses a room whose name is not its address. */
function rooms(listed: object[] = []) {
  const asked: unknown[][] = [];
  const names: string[] = [];
  const stub = (name: string) => {
    names.push(name);
    const check = ({ applicationKey, conferenceId }: RoomAddress) => {
      if (name !== `${applicationKey}/${conferenceId}`) throw new Error(`${name} is not its name`);
      return conferenceId;
    };
    const note = (what: string, room: RoomAddress, ...more: unknown[]) => {
      asked.push([what, check(room), ...more]);
      return ok(null);
    };
    return {
      list: (room: RoomAddress) => ({ ...note("list", room), value: listed }),
      command: (room: RoomAddress, id: string, command: string) => note("command", room, id, command),
      kick: (room: RoomAddress, id: string) => note("kick", room, id),
      kickAll: (room: RoomAddress) => note("kickAll", room),
      callOut: () => fail("unavailable"),
    };
  };
  const namespace = { idFromName: (name: string) => name, get: stub };
  const env = { ...bindings, CONFERENCE_ROOM: namespace as unknown as Env["CONFERENCE_ROOM"] };
  const ask = async (method: string, path: string, body?: unknown, headers = basic(application)) => {
    const text = body === undefined ? undefined : JSON.stringify(body);
    const sent = new Request(`https://carillon.test${path}`, { method, headers, body: text });
    const answer = await edge.fetch(sent, env, createExecutionContext());
    const read = await answer.text();
    return { status: answer.status, body: read === "" ? null : JSON.parse(read) };
  };
  return { asked, names, ask };
}

/** What the room of a path is, or the error. */
async function idFrom(path: string): Promise<string | number> {
  const { asked, ask } = rooms();
  const { status, body } = await ask("GET", path);
  return status === 200 ? String(asked[0]?.[1]) : body.errorCode;
}

describe("an id in a path", () => {
  test.each([
    ["a", "a"],
    ["a%2Fb", "a/b"],
    ["%2F", "/"],
    ["..%2F..", "../.."],
    ["%25", "%"],
    ["%252F", "%2F"],
    ["%25252F", "%252F"],
    ["%252e%252e", "%2e%2e"],
    ["100%25", "100%"],
    ["%20", " "],
    ["a%20b", "a b"],
    ["a b", "a b"],
    ["a+b", "a+b"],
    ["a%2Bb", "a+b"],
    ["a;b=c", "a;b=c"],
    ["a:b@c,d&e=f$g!*'()~", "a:b@c,d&e=f$g!*'()~"],
    ["%3F%23%26", "?#&"],
    ["%5C", "\\"],
    ["%22%3C%3E%60%7B%7D%7C%5E%5B%5D", '"<>`{}|^[]'],
    ["caf%C3%A9", "café"],
    ["café", "café"],
    ["%F0%9F%8E%89", "🎉"],
    ["...", "..."],
    ["id", "id"],
    ["__proto__", "__proto__"],
    ["x".repeat(64), "x".repeat(64)],
    // Characters, not bytes or halves of them.
    ["%F0%9F%8E%89".repeat(64), "🎉".repeat(64)],
    [callId, callId],
    ["a?conferenceId=b", "a"],
  ])("%s", async (sent, id) => {
    expect(await idFrom(`${ids}/${sent}`)).toBe(id);
  });

  test.each([
    ["no character", ""],
    ["65", "x".repeat(65)],
    ["65 that are two code units each", "%F0%9F%8E%89".repeat(65)],
    ["a byte that is no UTF-8", "%ff"],
    ["half a character", "%F0%9F"],
    ["a surrogate", "%ED%A0%80"],
    ["what is longer than it needs to be", "%C0%AF"],
    ["a % that encodes nothing", "100%"],
    ["a % before no hexadecimal", "%zz"],
    ["one bad % beside a good one", "%25%2"],
    ["a line break", "a%0Ab"],
    ["a carriage return", "%0D"],
    ["a line separator", "%E2%80%A8"],
    ["a NUL", "%00"],
    ["a control character", "%C2%85"],
  ])("is refused: %s", async (_, sent) => {
    expect(await idFrom(`${ids}/${sent}`)).toBe(40002);
    // Nor with a participant behind it, and by nobody else.
    const { asked, ask } = rooms();
    const kick = await ask("DELETE", `${ids}/${sent}/${callId}`);
    expect([kick.status, kick.body.errorCode, asked]).toEqual([400, 40002, []]);
    expect((await ask("DELETE", `${ids}/${sent}`, undefined, {} as never)).body.errorCode).toBe(40100);
  });

  test.each(["..", ".", "%2e%2e", "%2E", ".%2e"])("%s never arrives as one", async (sent) => {
    for (const path of [`${ids}/${sent}`, `${ids}/${sent}/${callId}`, `${ids}/room/${sent}`]) {
      const { asked, ask } = rooms();
      await ask("DELETE", path);
      // `/./{callId}` is the conference of that name, and harms nobody.
      expect(asked.filter(([, id]) => id !== callId)).toEqual([]);
    }
  });

  test("a participant that is left out, or one that is none, does not mean all of them", async () => {
    const { asked, ask } = rooms();
    for (const end of [
      "/room/",
      "/room/x",
      "/room/a/b",
      `/room/${callId}/`,
      `/room/${callId.toUpperCase()}`,
    ]) {
      const { status, body } = await ask("DELETE", ids + end);
      expect([end, status, body.errorCode]).toEqual([end, 404, 40400]);
    }
    expect(asked).toEqual([]);
  });
});

describe("an id in a query", () => {
  test.each([
    ["conferenceId=..", ".."],
    ["conferenceId=.", "."],
    ["conferenceId=%2e%2e", ".."],
    ["conferenceId=a%2Fb", "a/b"],
    ["conferenceId=%252F", "%2F"],
    ["conferenceId=a%2Bb", "a+b"],
    ["conferenceId=a+b", "a b"],
    ["conferenceId=%F0%9F%8E%89", "🎉"],
    ["conferenceId=a%26callId%3D1", "a&callId=1"],
  ])("%s", async (sent, id) => {
    expect(await idFrom(`${ids}?${sent}`)).toBe(id);
  });

  test.each([
    ["conferenceId=", 40002],
    ["conferenceId=%ff", 40002],
    ["conferenceId=100%", 40002],
    [`conferenceId=${"x".repeat(65)}`, 40002],
    ["", 40001],
    ["conferenceid=a", 40001],
    ["conferenceId=a&callID=1", 40001],
  ])("is refused: %s", async (sent, code) => {
    const { asked, ask } = rooms();
    for (const method of ["GET", "DELETE"])
      expect((await ask(method, `${ids}?${sent}`)).body.errorCode).toBe(code);
    expect(asked).toEqual([]);
  });

  test("with a participant", async () => {
    const { asked, ask } = rooms();
    const path = `${ids}?conferenceId=..&callId=${callId}`;
    expect((await ask("PATCH", path, { command: "mute" })).status).toBe(204);
    expect((await ask("DELETE", path)).status).toBe(204);
    expect((await ask("GET", path)).status).toBe(404);
    expect((await ask("DELETE", `${ids}?conferenceId=..&callId=`)).status).toBe(404);
    expect(asked).toEqual([
      ["command", "..", callId, "mute"],
      ["kick", "..", callId],
    ]);
  });
});

test("any id comes through both, as encodeURIComponent writes it", async () => {
  const character = fc
    .integer({ min: 0x20, max: 0x2_ffff })
    .filter((code) => (code < 0xd800 || code > 0xdfff) && (code < 0x7f || code > 0x9f))
    .filter((code) => code !== 0x2028 && code !== 0x2029)
    .map((code) => String.fromCodePoint(code));
  const some = fc.array(character, { minLength: 1, maxLength: 64 }).map((characters) => characters.join(""));
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(some, fc.constantFrom("%", "%2F", "+", " ", "?", "//", "a/../b")),
      async (id) => {
        const sent = encodeURIComponent(id);
        expect(await idFrom(`${ids}?conferenceId=${sent}`)).toBe(id);
        if (id !== "." && id !== "..") expect(await idFrom(`${ids}/${sent}`)).toBe(id);
      },
    ),
    { numRuns: 150 },
  );
});

describe("signed", () => {
  /** As a server signs it: over the path as it is sent. */
  async function headersFor(method: string, path: string): Promise<Record<string, string>> {
    const timestamp = new Date().toISOString();
    // The official SDK says its type on every request.
    const type = "application/json";
    const text = [method, "", type, `x-timestamp:${timestamp}`, path].join("\n");
    const signature = await requestSignature(text, application.secret);
    const authorization = `Application ${application.key}:${signature}`;
    return { authorization, "x-timestamp": timestamp, "content-type": type };
  }

  test.each(["room", "a%2Fb", "%252F", "a%20b", "caf%C3%A9", "%F0%9F%8E%89", "a+b;c", "%25"])(
    "an encoded path is as good as any: %s",
    async (id) => {
      const { asked, ask } = rooms();
      const path = `${ids}/${id}`;
      const headers = await headersFor("DELETE", path);
      expect((await ask("DELETE", path, undefined, headers as never)).status).toBe(204);
      expect(asked).toEqual([["kickAll", decodeURIComponent(id)]]);
      // What the signature is not over is refused, also where it decodes to the same.
      const other = `${ids}/${id.replace(/.$/, (last) => `%${last.charCodeAt(0).toString(16)}`)}`;
      expect((await ask("DELETE", other, undefined, headers as never)).body.errorCode).toBe(40102);
    },
  );
});

describe("what is done", () => {
  test("the list is in the words of the Sinch API, and says nothing else", async () => {
    const { ask } = rooms([
      {
        ...{ id: callId, userId: "bob", displayName: "Bob", joined: 1, duration: 7 },
        media: { muted: false, held: false, video: "off" },
        silence: { muted: true, held: false },
      },
    ]);
    const participants = [{ cli: "bob", id: callId, duration: 7, muted: true, onhold: false }];
    expect(await ask("GET", `${ids}/room`)).toEqual({ status: 200, body: { participants } });
  });

  test.each([
    [{ command: "mute" }, "mute"],
    [{ command: "unmute" }, "unmute"],
    [{ command: "onhold" }, "hold"],
    [{ command: "onhold", moh: "music1" }, "hold"],
    [{ command: "resume" }, "resume"],
  ])("%j", async (body, command) => {
    const { asked, ask } = rooms();
    expect(await ask("PATCH", `${ids}/room/${callId}`, body)).toEqual({ status: 204, body: null });
    expect(asked).toEqual([["command", "room", callId, command]]);
  });

  test.each([
    {},
    { command: "hold" },
    { command: "MUTE" },
    { command: "constructor" },
    { command: 1 },
    [],
    null,
  ])("a command that is none: %j", async (body) => {
    const { asked, ask } = rooms();
    expect((await ask("PATCH", `${ids}/room/${callId}`, body)).body.errorCode).toBe(40001);
    expect((await ask("PATCH", `${ids}/room`, { command: "mute" })).body.errorCode).toBe(40400);
    expect((await ask("GET", `${ids}/room/${callId}`)).body.errorCode).toBe(40400);
    expect(asked).toEqual([]);
  });

  test("an answer can be found in the log, and any page may ask", async () => {
    const headers = { ...basic(application), origin: "https://app.example" };
    const path = `${ids}/nobody`;
    const answer = await request("GET", path, { headers });
    expect(answer.headers.get("x-reference")).toMatch(/^[0-9a-f]{16}$/);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    const unknown = await request("GET", "/calling/v1/nothing", { headers });
    expect([unknown.status, unknown.body.errorCode]).toEqual([404, 40400]);
  });
});

test("an application has rooms of its own", async () => {
  const other = await newApplication();
  const { names, ask } = rooms();
  for (const app of [application, other]) await ask("DELETE", `${ids}/room`, undefined, basic(app));
  expect(names).toEqual([`${application.key}/room`, `${other.key}/room`]);
});
