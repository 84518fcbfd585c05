/** The world around a delivery of pushes: the providers, the queue, the hub and the time are the test's. */
import { vi } from "vitest";
import type { CallPush, MessagePush, PushContent } from "../../core/push/content";
import type { StoredPushCredential } from "../../core/push/credential-store";
import type { DeadToken } from "../../core/push/feedback";
import type { LaterPush } from "../../durable-objects/push-queue";
import type { PushReport, PushTarget } from "../../durable-objects/user-hub/push-rpc";
import type { UserAddress } from "../../durable-objects/user-hub/rpc";
import { type ApnsDevice, type FcmDevice, ok, type PushDevice, type WebPushDevice } from "../../protocol";
import type { PushJob } from "../../workers/push/attempt";
import type { DeliveryMeans } from "../../workers/push/deliver";
import { ids, webPushPair } from "./push-material";

/** What is logged from now on, instead of printing it: lines, and their levels and events. */
export function captureLog() {
  const lines: string[] = [];
  for (const level of ["log", "warn", "error"] as const)
    vi.spyOn(console, level).mockImplementation((line) => lines.push(line));
  const logged = () => lines.map((line) => JSON.parse(line));
  return { logged, events: () => logged().map(({ level, event }) => `${level} ${event}`) };
}

export const start = 2_500_000_000_000;
export const callId = "0b7e8a4e-5f0e-4f0b-9c62-9a0d3a9f1c11";
export const masterKey = btoa("a master key of 32 bytes or more");
export const user = { applicationKey: "app", userId: "bob" };
export const browserKeys = {
  p256dh: (await webPushPair()).publicKey,
  auth: "AAAAAAAAAAAAAAAAAAAAAA",
};

export const iphone: ApnsDevice = {
  ...{ provider: "apns", bundleId: "com.example.app", environment: "production" },
  ...{ voipToken: "a0a0", alertToken: "b0b0" },
};
export const android: FcmDevice = { provider: "fcm", token: "token-of-android" };
export const browser: WebPushDevice = {
  ...{ provider: "webpush", endpoint: "https://fcm.googleapis.com/fcm/send/endpoint" },
  keys: browserKeys,
};

export const apns = (id = "c1", change: object = {}): StoredPushCredential => ({
  ...{ provider: "apns", id, created: 1, privateKey: "secret-key", ...ids },
  ...change,
});
export const fcm = (projectId = "p"): StoredPushCredential => ({
  ...{ provider: "fcm", id: `fcm ${projectId}`, created: 1, privateKey: "secret-key" },
  ...{ projectId, clientEmail: `robot@${projectId}`, privateKeyId: "k" },
});
export const vapid: StoredPushCredential = {
  ...{ provider: "webpush", id: "c3", created: 1, subject: "mailto:a@example.com" },
  ...(await webPushPair()),
};

export const call: CallPush = {
  ...{ type: "call", callId, from: "alice", displayName: "Alice", video: false, headers: {} },
  until: start + 45_000,
};
export const message: MessagePush = {
  ...{ type: "message", messageId: callId, from: "alice", headers: {}, until: start + 30 * 86_400_000 },
};

/** The world around a delivery. */
export class World {
  now = start;
  /** Milliseconds for a batch. */
  budget = 7_000;
  readonly requests: { url: string; headers: Headers; body: string }[] = [];
  readonly reports: { user: UserAddress; report: PushReport }[] = [];
  /** Whether the hub drops what is reported dead. */
  drops = true;
  readonly queue: { body: LaterPush; delaySeconds: number }[] = [];
  readonly dead: DeadToken[] = [];
  /** The instances that the hub was asked about, and what it answers. */
  readonly questions: string[] = [];
  wanted: PushTarget | null = null;
  readonly asked: string[] = [];
  open = 0;
  mostOpen = 0;
  /** What providers answer; the first words are those of the request. */
  answer: (url: string, headers: Headers) => Response | Promise<Response> = () => new Response("");
  credentials: StoredPushCredential[] = [apns(), fcm(), vapid];
  /** As they are now, where that is not what is in memory. */
  fresh: StoredPushCredential[] | undefined;
  token: (refused?: string) => string = () => "provider-token";

  means(change: Partial<DeliveryMeans> = {}): DeliveryMeans {
    return {
      settings: {},
      masterKey,
      now: () => this.now,
      until: this.now + this.budget,
      keys: {
        credentials: async (application, fresh = false) => {
          this.asked.push(`${application} ${fresh}`);
          return (fresh && this.fresh) || this.credentials;
        },
        providerToken: async (_, refused) => ok({ token: this.token(refused), goodUntil: start }),
        vapidToken: async () => "vapid-token",
      },
      fetch: async (url, init) => {
        const headers = new Headers(init?.headers);
        this.requests.push({ url: String(url), headers, body: String(init?.body) });
        this.open += 1;
        this.mostOpen = Math.max(this.mostOpen, this.open);
        await Promise.resolve();
        try {
          return await this.answer(String(url), headers);
        } finally {
          this.open -= 1;
        }
      },
      enqueue: async (later) => {
        this.queue.push(...later);
      },
      report: async (user, report) => {
        this.reports.push({ user, report });
        const dead = report.results.filter(({ result }) => this.drops && result === "dead");
        return dead.map(({ instanceId }) => instanceId);
      },
      connections: 6,
      wanted: async (_, { instanceId }) => {
        this.questions.push(instanceId);
        return this.wanted;
      },
      askAfter: Number.POSITIVE_INFINITY,
      noteDead: async (token) => {
        this.dead.push(token);
      },
      ...change,
    };
  }

  results() {
    return this.reports.flatMap(({ report }) => report.results);
  }
}

export const registered = start - 1_000;
export const targetOf = (device: PushDevice, instanceId = "i0"): PushTarget => ({
  instanceId,
  device,
  registered,
});
export function jobs(
  devices: PushDevice[],
  content: PushContent = call,
  attempt = 0,
  application = "callers-app",
): PushJob[] {
  const push = `${content.type}:1`;
  const batch = { user, application, push, content, reference: "ref" };
  return devices.map((device, at) => ({ batch, target: targetOf(device, `i${at}`), attempt }));
}
export const reason = (text: string, status: number) => () =>
  new Response(JSON.stringify({ reason: text }), { status });
