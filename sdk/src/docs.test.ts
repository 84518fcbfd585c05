import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";

const root = new URL("../..", import.meta.url).pathname;

/** As far as the guide uses them; nobody installs them for this. */
const libraries = `
declare module "@react-native-firebase/messaging" {
  export default function messaging(): {
    getToken(): Promise<string>;
    onTokenRefresh(listener: (token: string) => unknown): () => void;
    setBackgroundMessageHandler(handler: (message: { data?: Record<string, string | object> }) => Promise<unknown>): void;
  };
}
declare module "@notifee/react-native" {
  export enum AndroidImportance { HIGH = 4 }
  export enum AndroidCategory { CALL = "call" }
  export enum EventType { PRESS = 1, ACTION_PRESS = 2 }
  interface Shown { id?: string; title?: string; body?: string; data?: Record<string, string | number | object> }
  interface Press { id: string; launchActivity?: string }
  const notifee: {
    createChannel(channel: { id: string; name: string; importance?: AndroidImportance; sound?: string }): Promise<string>;
    displayNotification(shown: Shown & { android?: {
      channelId: string; category?: AndroidCategory; importance?: AndroidImportance; fullScreenAction?: Press;
      pressAction?: Press; actions?: { title: string; pressAction: Press }[]; ongoing?: boolean; loopSound?: boolean;
      timeoutAfter?: number;
    } }): Promise<string>;
    cancelNotification(id: string): Promise<void>;
    onBackgroundEvent(
      observer: (event: { type: EventType; detail: { notification?: Shown; pressAction?: Press } }) => Promise<void>,
    ): void;
  };
  export default notifee;
}
declare module "@react-native-async-storage/async-storage" {
  const AsyncStorage: {
    getItem(key: string): Promise<string | null>;
    setItem(key: string, value: string): Promise<void>;
    removeItem(key: string): Promise<void>;
  };
  export default AsyncStorage;
}
declare module "react-native" {
  export const AppState: {
    addEventListener(type: "change", listener: (state: "active" | "background" | "inactive") => void): object;
  };
}
declare module "react-native-webrtc" {
  const { MediaStream, RTCPeerConnection }: typeof globalThis;
  const mediaDevices: MediaDevices;
  export { MediaStream, mediaDevices, RTCPeerConnection };
}
declare module "react-native-callkeep" {
  const RNCallKeep: {
    addEventListener(name: "answerCall" | "endCall", listener: (event: { callUUID: string }) => void): void;
    reportEndCallWithUUID(uuid: string, reason: number): void;
  };
  export default RNCallKeep;
  export const CONSTANTS: { END_CALL_REASONS: Record<
    "ANSWERED_ELSEWHERE" | "DECLINED_ELSEWHERE" | "UNANSWERED" | "REMOTE_ENDED", number> };
}
declare module "react-native-voip-push-notification" {
  const VoipPushNotification: {
    RNVoipPushRemoteNotificationReceivedEvent: string;
    addEventListener(name: "register", listener: (token: string) => void): void;
    addEventListener(name: "notification", listener: (payload: object) => void): void;
    addEventListener(name: "didLoadWithEvents", listener: (events?: { name: string; data: object }[]) => void): void;
    registerVoipToken(): void;
  };
  export default VoipPushNotification;
}`;

const config = {
  extends: join(root, "sdk/tsconfig.json"),
  compilerOptions: {
    noUnusedLocals: false,
    rootDir: "/",
    paths: {
      "@carillon/sdk": [join(root, "sdk/src/index.ts")],
      "@carillon/sdk/*": [join(root, "sdk/src/*")],
    },
    typeRoots: [join(root, "node_modules/@types")],
  },
  include: ["."],
};

test.each([
  ["push", 6],
  ["phone", 4],
  ["conferences", 2],
])(
  "what docs/%s.md shows in TypeScript fits the SDK",
  (name, least) => {
    const folder = mkdtempSync(join(tmpdir(), "carillon-docs-"));
    try {
      const guide = readFileSync(join(root, `docs/${name}.md`), "utf8");
      const samples = [...guide.matchAll(/^```ts\n(.*?)^```/gms)].map(([, sample]) => sample ?? "");
      expect(samples.length).toBeGreaterThanOrEqual(least);
      samples.forEach((sample, n) => {
        // Some are what the others import.
        const made = [
          ["export const client", "client"],
          ["export function carillon", "carillon"],
        ].find(([what]) => sample.includes(what ?? ""));
        writeFileSync(join(folder, `${made?.[1] ?? `sample-${n}`}.ts`), sample);
      });
      writeFileSync(join(folder, "libraries.d.ts"), libraries);
      writeFileSync(join(folder, "tsconfig.json"), JSON.stringify(config));
      const tsc = join(root, "node_modules/typescript/lib/tsc.js");
      let problems = "";
      try {
        execFileSync(process.execPath, [tsc, "-p", folder], { encoding: "utf8", stdio: "pipe" });
      } catch (error) {
        problems = (error as { stdout: string }).stdout;
      }
      expect(problems).toBe("");
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
  60_000,
);
