/**
 * Sleeping devices are called and written to while the server dies: before a push leaves, before the
 * provider answers, and between its answer and our note of it. Each device that was to be woken is woken,
 * and once more at most for a crash that came in between.
 */
import { expect, onTestFinished, test } from "vitest";
import { newMessageId } from "../../core/messages/message-id";
import type { PushDevice, PushPayload, RegistrationResult } from "../../protocol";
import type { Push } from "../../scripts/dev/push/desk.mjs";
import { processTree, until } from "../support/programs";
import { PushServices, setDevice } from "../support/push";
import { mintToken, removeState, type Server, startServer } from "../support/server";
import { Client } from "./client";
import { pause, randomOf, seed } from "./random";

/** What happens, and when the server dies. Messages first: what nobody noted of them is sent again after 40 seconds. */
const kinds = ["message", "call", "cancel"] as const;
const moments = ["sending", "arrived", "answered"] as const;
const roundsOfEach = 2;
const usersOfRound = 3;
const providers = ["apns", "fcm", "webpush"] as const;

interface Expected {
  type: PushPayload["type"];
  id: string;
  user: string;
}

/** The server, which somebody kills: at once, so that the moment counts. */
class Victim {
  readonly crashes: number[] = [];
  #pids: number[] = [];

  private constructor(
    public server: Server,
    private readonly env: Record<string, string>,
  ) {}

  static async start(env: Record<string, string>): Promise<Victim> {
    const victim = new Victim(await startServer({ env }), env);
    victim.#pids = processTree(victim.server.pid);
    return victim;
  }

  kill(): void {
    if (this.#pids.length === 0) return;
    this.crashes.push(Date.now());
    for (const pid of this.#pids.splice(0)) {
      try {
        process.kill(pid, "SIGKILL");
      } catch {
        // Gone already.
      }
    }
  }

  async restart(): Promise<void> {
    await this.server.kill();
    const { state, port } = this.server;
    this.server = await startServer({ state, port, env: this.env });
    this.#pids = processTree(this.server.pid);
  }
}

/** An installation of the user that is never connected. */
async function addSleeper(server: Server, userId: string, device: PushDevice): Promise<void> {
  const { url, applicationKey } = server;
  const answer = await fetch(`${url}/v1/instances`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify({ applicationKey, userId, token: await mintToken(server, userId) }),
  });
  const { instanceToken } = (await answer.json()) as RegistrationResult;
  await setDevice(url, instanceToken, device);
}

/** Sends as an app's server does: again with the same id, until it was taken. */
async function write(
  server: Pick<Server, "url" | "applicationKey" | "applicationSecret">,
  to: string[],
  id: string,
) {
  const { url, applicationKey, applicationSecret } = server;
  const authorization = `Basic ${btoa(`${applicationKey}:${applicationSecret}`)}`;
  const body = JSON.stringify({ recipients: to, text: "hello", messageId: id });
  const headers = { authorization, "content-type": "application/json" };
  await until("the message is taken", async () => {
    const answer = await fetch(`${url}/v1/messages`, { method: "POST", headers, body }).catch(
      () => undefined,
    );
    return answer?.status === 201;
  });
}

const payloadOf = ({ sin }: Push): PushPayload => JSON.parse(sin ?? "");
const tokensOf = (device: PushDevice): string[] => {
  if (device.provider === "apns") return [device.voipToken ?? "", device.alertToken ?? ""];
  return [device.provider === "fcm" ? device.token : device.endpoint];
};

/** What had been sent when the server died may be read a little later. */
const onItsWay = 500;

/** Two arrivals at a device with no crash in between are one too many. */
function problemsOf(
  pushes: Push[],
  expected: Expected[],
  devices: Map<string, PushDevice[]>,
  crashes: number[],
) {
  const problems: string[] = [];
  let extra = 0;
  for (const { type, id, user } of expected) {
    for (const device of devices.get(user) ?? []) {
      const name = `${type} ${id} at ${user}'s ${device.provider}`;
      const times = pushes
        .filter((push) => tokensOf(device).includes(push.token))
        .filter((push) => payloadOf(push).type === type && payloadOf(push).id === id)
        .map(({ time }) => time);
      if (times.length === 0) problems.push(`${name}: never`);
      for (const [at, time] of times.entries()) {
        const before = times[at - 1];
        if (before === undefined) continue;
        extra += 1;
        if (!crashes.some((crash) => crash >= before - onItsWay && crash <= time))
          problems.push(`${name}: twice`);
      }
    }
  }
  return { problems, extra };
}

test("a push outlives the server, and comes once more at most", { timeout: 300_000 }, async () => {
  console.log(`CARILLON_SEED=${seed} repeats this run`);
  const random = randomOf(seed);
  const push = await PushServices.start();
  const { book } = push.services;
  const victim = await Victim.start(push.services.settings);
  const callers: Client[] = [];
  onTestFinished(async () => {
    for (const caller of callers) caller.close();
    await victim.server.kill();
    removeState(victim.server.state);
    await push.close();
  });
  await push.uploadCredentials(victim.server);
  const devices = new Map<string, PushDevice[]>();
  const expected: Expected[] = [];

  /** Kills the server when so many pushes have come so far, or a moment after this. */
  const dieAt = (moment: (typeof moments)[number]) => {
    const which = 1 + Math.floor(random() * usersOfRound * providers.length);
    const late = random() * 12;
    let seen = 0;
    const look = () => {
      seen += 1;
      if (seen !== which) return;
      if (moment === "arrived") victim.kill();
      else setTimeout(() => victim.kill(), late);
    };
    const events = moment === "arrived" ? "push" : "answered";
    if (moment === "sending") setTimeout(() => victim.kill(), random() * 40);
    else book.on(events, look);
    return () => book.off(events, look);
  };

  const round = async (name: string, kind: (typeof kinds)[number], moment: (typeof moments)[number]) => {
    const users = Array.from({ length: usersOfRound }, (_, at) => `${name}-${at}`);
    const { server } = victim;
    for (const user of users) {
      const own = providers.map((provider) => push.newDevice(provider));
      for (const device of own) await addSleeper(server, user, device);
      devices.set(user, own);
    }
    let act: () => Promise<unknown>;
    if (kind === "message") {
      const id = newMessageId(Date.now(), crypto.getRandomValues(new Uint8Array(10)));
      for (const user of users) expected.push({ type: "message", id, user });
      act = () => write(victim.server, users, id);
    } else {
      const own = await Promise.all(users.map((user) => Client.register(server, `caller-${user}`)));
      callers.push(...own);
      await until("the callers are there", () => own.every(({ connected }) => connected));
      const offer = { type: "offer", sdp: "v=0 offer" } as const;
      const call = (caller: Client, to: string) =>
        caller.send({ op: "start", to, video: false, headers: {}, ringSeconds: 120, offer }).then((error) => {
          expect(error).toBeNull();
          expected.push({ type: "call", id: caller.callId ?? "", user: to });
        });
      act = () => Promise.all(own.map((caller, at) => call(caller, users[at] ?? "")));
      if (kind === "cancel") {
        await act();
        const arrived = () =>
          book.pushes.filter(({ sin }) => own.some(({ callId }) => sin?.includes(callId ?? "-")));
        await until("they are pushed", () => arrived().length >= users.length * providers.length);
        act = () => hangUp(own);
      }
    }
    const stopLooking = dieAt(moment);
    const acted = act();
    await until("the crash", () => victim.crashes.length === round.count + 1);
    stopLooking();
    round.count += 1;
    await victim.restart();
    await acted;
  };
  round.count = 0;

  const hangUp = (own: Client[]) =>
    Promise.all(
      own.map(async (caller) => {
        expect(await caller.send({ op: "hangup" })).toBeNull();
        expected.push({
          type: "cancel",
          id: caller.callId ?? "",
          user: caller.userId.replace("caller-", ""),
        });
      }),
    );

  for (const kind of kinds)
    for (const moment of moments)
      for (let at = 0; at < roundsOfEach; at++) await round(`${kind}-${moment}-${at}`, kind, moment);
  await hangUp(callers.filter(({ userId }) => !userId.startsWith("caller-cancel")));

  const look = () => problemsOf(book.pushes, expected, devices, victim.crashes);
  await until(
    "all are woken",
    () => look().problems.every((problem) => !problem.endsWith("never")),
    90_000,
  ).catch(() => {});
  // What was sent without being noted comes again after 8 seconds.
  await pause(9_000);
  const { problems, extra } = look();
  expect(problems).toEqual([]);
  expect(book.pushes.filter(({ delivered }) => !delivered)).toEqual([]);
  console.log(`${book.pushes.length} pushes, ${extra} of them extra; ${victim.crashes.length} crashes`);
});
