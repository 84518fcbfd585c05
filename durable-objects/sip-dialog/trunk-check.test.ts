import { describe, expect, it, vi } from "vitest";
import type { Trunk } from "../../core/telephony/trunk";
import { headerOf } from "./testing/gateway";
import { applicationKey, inAWorld, trunk, type World } from "./testing/world";
import { checkTrunk } from "./trunk-check";

let world: World;
inAWorld((fresh) => {
  world = fresh;
});
const check = async (more: Partial<Trunk> = {}) => {
  const checked = await trunk(more);
  return world.inside((instance) => instance.check(applicationKey, checked));
};
const says = (status: number, headers: string[] = [], reason = "Well") => {
  world.gateway.script = (request) => {
    world.gateway.reply(request, status, { headers, reason });
    return true;
  };
};

describe("a trunk that is checked", () => {
  it("is reachable when it answers OPTIONS", async () => {
    says(200, ["Server: kamailio (5.6.3)"], "OK");
    expect(await check()).toEqual({
      reachable: true,
      ms: 0,
      status: 200,
      reason: "OK",
      server: "kamailio (5.6.3)",
    });
    const options = world.gateway.last("OPTIONS");
    expect(options.uri).toBe("sip:test.local");
    expect(headerOf(options, "from")).toContain("<sip:alice@test.local>");
    await vi.waitFor(() => expect(world.gateway.sockets).toEqual([]));
  });

  it.each([401, 407] as const)("is asked with its password after %i", async (status) => {
    world.gateway.credentials = { user: "alice", password: "s3cret", status };
    expect(await check()).toMatchObject({ reachable: true, status: 200 });
    expect(world.gateway.all("OPTIONS")).toHaveLength(2);
  });

  it("says that the password is refused", async () => {
    world.gateway.credentials = { user: "alice", password: "another" };
    const problem = "it refuses the user or the password";
    expect(await check()).toMatchObject({ reachable: true, status: 407, problem });
    world.gateway.credentials = null;
    says(403);
    expect(await check()).toMatchObject({ reachable: true, status: 403, problem });
  });

  it.each([404, 405, 501])("is there, if it answers %i", async (status) => {
    says(status);
    const found = await check();
    expect(found).toMatchObject({ reachable: true, status });
    expect(found.problem === undefined).toBe(status < 500);
  });

  it("says what it is instead of a gateway", async () => {
    world.gateway.connect = () => new Response("hello", { status: 200 });
    expect(await check()).toEqual({
      reachable: false,
      problem: "it answered HTTP 200 instead of opening a WebSocket: is the path right?",
    });
    world.gateway.connect = () => Promise.reject(new TypeError("DNS lookup failed."));
    expect(await check()).toEqual({
      reachable: false,
      problem: "it cannot be connected to: check its host, its port and its certificate (DNS lookup failed.)",
    });
    world.gateway.connect = null;
    world.gateway.protocol = "chat";
    expect((await check()).problem).toContain("(subprotocol chat)");
    world.gateway.protocol = null;
    expect((await check()).problem).toContain("(subprotocol none)");
    await vi.waitFor(() => expect(world.gateway.sockets).toEqual([]));
  });

  it("says that it closes the connection", async () => {
    world.gateway.script = () => {
      world.gateway.drop();
      return true;
    };
    expect(await check()).toEqual({
      reachable: false,
      problem: "it closed the connection instead of answering",
    });
  });

  it("is not waited for", async () => {
    const asked = await trunk();
    const impatient = () => world.inside(() => checkTrunk(asked, () => Promise.resolve(""), Date.now, 20));
    world.gateway.mute = true;
    expect(await impatient()).toEqual({
      reachable: false,
      problem: "it is connected, but does not answer OPTIONS",
    });
    world.gateway.connect = () => new Promise(() => {});
    expect(await impatient()).toEqual({ reachable: false, problem: "no answer within 20 milliseconds" });
  });
});
