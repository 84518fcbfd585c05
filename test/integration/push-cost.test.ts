/**
 * What a push costs beside the call or message that it is for: rows that the hub of the one who
 * sleeps writes, and requests to it. The provider's token is the sender's to remember: in the steady
 * state it asks no object for it.
 */
import { runDurableObjectAlarm, runInDurableObject } from "cloudflare:test";
import { afterEach, expect, it, vi } from "vitest";
import { userHub } from "../../durable-objects/names";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { UserHub } from "../../durable-objects/user-hub/user-hub";
import { PushSender } from "../../workers/push/push-sender";
import { application, bindings, hangup, Peer, register, someone } from "./peer";

afterEach(() => vi.restoreAllMocks());

const rpc = ["ring", "deliver", "take", "pushed", "pushWanted", "alarm"] as const;

/** Rows that a hub's storage has written since it woke up; alarms are rows too. */
const rowsOf = (user: UserAddress): Promise<number> =>
  runInDurableObject(userHub(bindings, user), (_, state) =>
    Number(state.storage.sql.exec("select total_changes() as rows").one().rows),
  );

const counted = (user: UserAddress) =>
  runInDurableObject(
    userHub(bindings, user),
    (_, state) => [...state.storage.kv.list({ prefix: "push:" })].length,
  );

async function cost(devices: number, run: (alice: Peer, bob: UserAddress) => Promise<void>) {
  const alice = await Peer.connect(someone("alice"));
  const bob = { applicationKey: application, userId: someone("bob") };
  for (let at = 0; at < Math.max(1, devices); at += 1) {
    const instanceId = await register(bob.userId);
    if (devices > 0)
      await userHub(bindings, bob).setPushDevice(instanceId, { provider: "fcm", token: `t${at}` });
  }
  vi.spyOn(PushSender.prototype, "send").mockImplementation(
    async ({ user, push, devices: targets, reference }) => {
      const results = targets.map(({ instanceId }) => ({ instanceId, result: "sent" as const }));
      await userHub(bindings, user).pushed({ push, results, reference });
    },
  );
  const before = await rowsOf(bob);
  const requests = rpc.map((one) => vi.spyOn(UserHub.prototype, one));
  await run(alice, bob);
  const pass = () =>
    runInDurableObject(userHub(bindings, bob), (hub) => {
      const { clock } = hub;
      hub.clock = () => clock() + 61_000;
    });
  // Until nothing is due any more within a day.
  for (let turn = 0; turn < 5; turn += 1) {
    await pass();
    const alarm = await runInDurableObject(userHub(bindings, bob), async (hub, state) => {
      const at = await state.storage.getAlarm();
      return at !== null && at < hub.clock() + 86_400_000;
    });
    if (!alarm) break;
    await runDurableObjectAlarm(userHub(bindings, bob));
  }
  const [rings = 0] = requests.map((spy) => spy.mock.calls.length);
  const calls = requests.reduce((sum, spy) => sum + spy.mock.calls.length, 0) - rings;
  const rows = (await rowsOf(bob)) - before;
  vi.restoreAllMocks();
  return { rows, calls };
}

const missed = async (alice: Peer, bob: UserAddress) => {
  const { callId, answered } = alice.start(bob.userId);
  await answered;
  await expect.poll(() => counted(bob)).toBe(1);
  await alice.call(callId, hangup);
  await expect.poll(() => counted(bob)).toBe(0);
};

it("of a call that is missed is at most 8 rows and 5 requests, however many devices are woken", async () => {
  for (const devices of [1, 30]) {
    const { rows, calls } = await cost(devices, missed);
    console.info(
      `cost of a missed call with ${devices} pushed: ${rows} rows, ${calls} requests at the callee's hub`,
    );
    expect(rows).toBeLessThanOrEqual(8);
    expect(calls).toBeLessThanOrEqual(5);
  }
});

it("of a message is at most 4 rows and 2 requests more than without a push", async () => {
  const send = async (alice: Peer, { userId }: UserAddress) => {
    await alice.send({ to: [userId] });
  };
  const [without, once] = [await cost(0, send), await cost(1, send)];
  const burst = await cost(1, async (alice, bob) => {
    for (let at = 0; at < 50; at += 1) await send(alice, bob);
  });
  const plain = await cost(0, async (alice, bob) => {
    for (let at = 0; at < 50; at += 1) await send(alice, bob);
  });
  console.info(
    `cost of a message's push: ${once.rows - without.rows} rows, ${once.calls - without.calls} requests more; ` +
      `of 50 that come together: ${burst.rows - plain.rows} rows, ${burst.calls - plain.calls} requests more`,
  );
  expect(once.rows - without.rows).toBeLessThanOrEqual(4);
  expect(once.calls - without.calls).toBeLessThanOrEqual(2);
  expect(burst.rows - plain.rows).toBeLessThanOrEqual(10);
  expect(burst.calls - plain.calls).toBeLessThanOrEqual(5);
});
