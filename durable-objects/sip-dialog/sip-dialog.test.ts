import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { headerOf, seqOf } from "./testing/gateway";
import { answer, offer, World } from "./testing/world";

let world: World;
beforeEach(() => {
  world = new World();
});
afterEach(() => {
  expect(world.gateway.wrong).toEqual([]);
  vi.restoreAllMocks();
});

describe("a call to a phone", () => {
  it("is an INVITE, an answer and its ACK; who hangs up says BYE", async () => {
    await world.dial({ displayName: "Alice A", headers: { "x-order": "7" } });
    const invite = await world.until("INVITE");
    expect(invite.uri).toBe("sip:+46701234567@test.local");
    expect(headerOf(invite, "from")).toMatch(/^"Alice A" <sip:alice@test\.local>;tag=/);
    expect(headerOf(invite, "x-order")).toBe("7");
    expect(headerOf(invite, "supported")).toBe("timer");
    expect(invite.body).toBe(offer);
    await world.reply(invite, 100);
    await world.reply(invite, 180);
    await world.untilNews("trying", "ringing");
    await world.reply(invite, 200, { body: answer, headers: ["X-Seen: yes"] });
    const ack = await world.until("ACK");
    expect(seqOf(ack)).toBe(seqOf(invite));
    await world.untilNews("trying", "ringing", "answered");
    expect(world.news.at(-1)).toEqual({
      news: "answered",
      description: { type: "answer", sdp: answer },
      headers: { "x-seen": "yes" },
    });
    expect(await world.deliver({ event: "established", time: 1 })).toEqual([`sip/${world.callId}`]);
    expect(await world.ended()).toEqual([]);
    await world.until("BYE");
    await world.gone();
    expect(world.news).toHaveLength(3);
  });

  it("ends when the far end hangs up", async () => {
    const invite = await world.talk();
    await world.request("BYE", invite, 1);
    const [bye] = await world.answersTo("BYE");
    expect(bye?.status).toBe(200);
    await vi.waitFor(() => expect(world.news.at(-1)).toEqual({ news: "ended", cause: "hungUp" }));
    await world.gone();
  });

  it("answers a challenge", async () => {
    world.gateway.credentials = { user: "alice", password: "s3cret" };
    const invite = await world.talk();
    expect(headerOf(invite, "proxy-authorization")).toContain('username="alice"');
    await world.ended();
    await world.gone();
  });

  it("is cancelled while it rings", async () => {
    await world.dial();
    const invite = await world.until("INVITE");
    await world.reply(invite, 180);
    await world.untilNews("trying", "ringing");
    await world.ended();
    await world.until("CANCEL");
    await world.until("ACK");
    await world.gone();
  });
});
