/** What the tests of phone calls share: an application with a trunk, a rate and credit, and a leg that the test plays. */
import { vi } from "vitest";
import type { LineNews } from "../../core/calls/line";
import { topUp } from "../../core/credits/ledger";
import { addTrunk } from "../../core/telephony/trunk-store";
import { callSession } from "../../durable-objects/names";
import type { Dial } from "../../durable-objects/sip-dialog/rpc";
import { SipDialog } from "../../durable-objects/sip-dialog/sip-dialog";
import type { CallFrame, CallOperation } from "../../protocol";
import { storeOf } from "../../workers/context";
import { newApplication } from "../edge/support";
import { bindings, flowing, Peer, register, someone } from "./peer";

export const number = "+46701740605";
/** 0.06 for a begun minute, 0.01 for the connection, in micro-units. */
export const rate = {
  prefix: "4670",
  name: "Sweden, mobile",
  perMinute: 60_000,
  connectFee: 10_000,
  increment: 60,
};

/** An application of its own account, whose calls may go to Sweden. */
export async function phoneApplication(credit: number) {
  const account = crypto.randomUUID();
  const { key } = await newApplication(account);
  const store = storeOf(bindings);
  const trunk = {
    name: "test",
    url: "wss://gateway.test",
    user: "carillon",
    fromDomain: "gateway.test",
    preference: 10,
    prefixes: ["+46", "!+46701999"],
    domains: ["example.com"],
  };
  const added = await addTrunk(store, key, { ...trunk, password: "secret" });
  if (!added.ok) throw new Error(added.error.name);
  await bindings.DB.prepare("INSERT OR REPLACE INTO rates VALUES (?, ?, ?, ?, ?)")
    .bind(rate.prefix, rate.name, rate.perMinute, rate.connectFee, rate.increment)
    .run();
  if (credit > 0) {
    const topped = await topUp(bindings.DB, {
      accountId: account,
      amount: credit,
      key: "first",
      now: Date.now(),
    });
    if (!topped.ok) throw new Error(topped.error.name);
  }
  return { key, account };
}

/** The ledger, oldest first. */
export async function ledgerOf(account: string) {
  const { results } = await bindings.DB.prepare(
    "SELECT kind, amount, balance FROM ledger WHERE account_id = ? ORDER BY seq",
  )
    .bind(account)
    .all<{ kind: string; amount: number; balance: number }>();
  return results;
}

/** The same, as words: `charge -70000`. */
export const kindsOf = async ({ application }: World) =>
  (await ledgerOf(application.account)).map(({ kind, amount }) => `${kind} ${amount}`);

export interface World {
  alice: Peer;
  application: Awaited<ReturnType<typeof phoneApplication>>;
  /** What was asked of legs, in order. */
  dials: Dial[];
  /** What legs were told, by call. */
  told: Map<string, CallFrame[]>;
  /** Legs that are not there any more. */
  lost: Set<string>;
}

/** Alice, connected, and legs that do what the test says. */
export async function openWorld(credit = 1_000_000): Promise<World> {
  const application = await phoneApplication(credit);
  const name = someone("alice");
  const instanceId = await register(name, application.key);
  const alice = await Peer.connect(name, { instanceId, applicationKey: application.key });
  const world: World = { alice, application, dials: [], told: new Map(), lost: new Set() };
  vi.spyOn(SipDialog.prototype, "dial").mockImplementation(async (dial) => {
    world.dials.push(dial);
  });
  vi.spyOn(SipDialog.prototype, "deliver").mockImplementation(async ({ user, frames }) => {
    const callId =
      frames[0]?.frame.callId ?? world.dials.find(({ callee }) => callee.userId === user.userId)?.callId;
    if (callId)
      world.told.set(callId, [...(world.told.get(callId) ?? []), ...frames.map(({ frame }) => frame)]);
    const connected = callId && !world.lost.has(callId) ? [`sip/${callId}`] : [];
    return { available: connected, connected };
  });
  return world;
}

/** Alice calls a number, or what `more` says. */
export function dial(
  { alice }: World,
  to = number,
  more: Partial<Extract<CallOperation, { op: "start" }>> = {},
) {
  return alice.start(to, { line: "phone", ...more });
}

export const sessionOf = ({ application }: World, callId: string) =>
  callSession(bindings, application.key, callId);

/** The leg of a call says what has become of it. */
export async function tell(world: World, callId: string, news: LineNews) {
  const { callee } = world.dials.find((dial) => dial.callId === callId) ?? {};
  if (!callee) throw new Error("not dialled");
  const party = {
    applicationKey: world.application.key,
    userId: callee.userId,
    line: callee.line,
    instanceId: "sip",
    connectionId: callId,
  };
  return sessionOf(world, callId).line(party, news);
}

export const answered: LineNews = { news: "answered", description: { type: "answer", sdp: "v=0 answer" } };

/** A call that goes on. */
export async function inCall(world: World): Promise<string> {
  const { callId, answered: reply } = dial(world);
  await reply;
  await tell(world, callId, answered);
  await world.alice.event("answered", callId);
  await world.alice.call(callId, flowing);
  await world.alice.event("established", callId);
  return callId;
}
