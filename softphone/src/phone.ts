/** The softphone without its looks: who is signed in, the calls, the messages, what went wrong, what is remembered. */
import {
  CarillonClient,
  type CarillonError,
  checkEnvironment,
  type EnvironmentIssue,
  type NotificationResult,
} from "@carillon/sdk";
import { getCredits } from "@carillon/sdk/credits";
import { receiveNotifications } from "@carillon/sdk/web-push";
import { Balance } from "./balance";
import { Desk } from "./desk";
import { kindOfCall, remembered } from "./destination";
import { type Link, linkWithoutToken } from "./link";
import { EventLog } from "./log";
import { Post } from "./messages/post";
import { type Problem, problemOf, signInProblem } from "./problem";
import { type Remembered, recall, remember, type Theme, withRecent } from "./remembered";
import { Sound } from "./sound";
import { endTone, toneOf } from "./tones";
import { Wake, type WakeBrowser } from "./wake";
import { endWords } from "./words";

/** Everything that exists only while somebody is signed in. */
export interface Session {
  key: string;
  user: string;
  client: CarillonClient;
  desk: Desk;
  post: Post;
  sound: Sound;
  wake: Wake;
  balance: Balance;
}

export class Phone {
  session: Session | undefined;
  signingIn = false;
  problem: Problem | undefined;
  /** What the browser lacks, until it is dismissed. */
  issues: EnvironmentIssue[] = [];
  helpShown = false;
  settingsShown = false;
  remembered: Remembered = recall(localStorage);
  #connected = false;
  /** The browser says that it has no network, and nothing has come through since. */
  #cutOff = false;
  /** Whose conversation is to be opened as soon as somebody is signed in. */
  #toOpen: string[] = [];
  #unlisten = () => {};
  readonly log: EventLog;
  readonly changed: () => void;

  /** Milliseconds since 1970. */
  readonly now: () => number;

  constructor(changed: () => void, now: () => number) {
    this.changed = changed;
    this.now = now;
    this.log = new EventLog(now, changed);
  }

  get online(): boolean {
    return this.#connected && !this.#cutOff;
  }

  /** The browser's network went or came: the connection takes longer to find out. */
  network(there: boolean): void {
    this.#cutOff = !there;
    this.changed();
  }

  async checkEnvironment(): Promise<void> {
    this.issues = await checkEnvironment({ video: true });
    for (const { check, message } of this.issues) this.log.add("environment", `${check}: ${message}`, "warn");
    this.changed();
  }

  /**
   * Signs in with the token, or, without one, with the instance that this browser keeps.
   *
   * @param quietly when nothing is kept, show the form without an error
   */
  async signIn(link: Link, { quietly = false } = {}): Promise<void> {
    this.signingIn = true;
    this.problem = undefined;
    this.#remember({ key: link.key, user: link.user });
    let client: CarillonClient | undefined;
    try {
      client = new CarillonClient({
        applicationKey: link.key,
        userId: link.user,
        environmentHost: location.origin,
        displayName: this.remembered.name,
      });
      this.#watch(client, link);
      // The phone was woken by it.
      if (link.push) this.#opened(client.push.relayLocalNotification({ sin: link.push }));
      client.setSupportActiveConnectionInBackground(true);
      await client.start();
      client.startListeningOnActiveConnection();
    } catch (thrown) {
      const problem = signInProblem(thrown);
      if (problem.code !== 60006) this.problem = problem;
      else if (!quietly) this.problem = askForToken;
      await client?.terminate();
    }
    // Used or useless by now: they have no business in the address bar, nor in the history.
    history.replaceState(null, "", linkWithoutToken(link));
    this.signingIn = false;
    this.changed();
  }

  async signOut(): Promise<void> {
    const client = this.session?.client;
    try {
      await client?.logOut();
      await client?.terminate();
    } catch (thrown) {
      this.failed(thrown);
    }
    this.session?.post.forget();
    this.#left();
    this.#connected = false;
    this.changed();
  }

  failed = (thrown: unknown): void => {
    this.problem = problemOf(thrown);
    this.log.add("error", `${this.problem.code ?? ""} ${this.problem.message}`, "error");
    this.changed();
  };

  dismiss(): void {
    this.problem = undefined;
    this.issues = [];
    this.changed();
  }

  /** What others see of this person. */
  setName(name: string): void {
    try {
      this.session?.client.push.setDisplayName(name.trim());
      this.#remember({ name: name.trim() });
    } catch (thrown) {
      this.failed(thrown);
    }
  }

  setTheme(theme: Theme): void {
    this.#remember({ theme });
    this.changed();
  }

  /** A push that the person saw, or whose call is over: what is there to show of it. */
  #opened({ isMessage, isCall, remoteUserId, displayName, canceled, timedOut }: NotificationResult): void {
    if (isMessage && remoteUserId) {
      if (this.session) this.session.post.openWith([remoteUserId]);
      else this.#toOpen = [remoteUserId];
    }
    if (isCall && (canceled || timedOut)) {
      const words = endWords(
        canceled ?? "timeout",
        "incoming",
        displayName ?? remoteUserId ?? "somebody",
        null,
      );
      this.log.add("call", `${words} (${canceled ?? "it rings no more"})`, "warn");
      if (remoteUserId) this.#remember({ recent: withRecent(this.remembered.recent, remoteUserId) });
      this.changed();
    }
  }

  /** Nobody is signed in any more. */
  #left(): void {
    this.#deaf();
    this.session = undefined;
    this.settingsShown = false;
  }

  /** What the service worker has is for the next who signs in. */
  #deaf(): void {
    this.#unlisten();
    this.#unlisten = () => {};
  }

  #remember(what: Partial<Remembered>): void {
    this.remembered = { ...this.remembered, ...what };
    remember(localStorage, this.remembered);
  }

  #watch(client: CarillonClient, link: Link): void {
    const { log } = this;
    const sound = new Sound(client.audioController);
    const balance = new Balance(() => getCredits(client), this.changed);
    const desk = new Desk(
      client.callClient,
      {
        changed: () => {
          sound.loop(toneOf(desk.sounding));
          this.changed();
        },
        began: () => {
          this.problem = undefined;
        },
        ended: (call) => {
          const { endCause, answeredTime, error } = call.details;
          if (error?.errorName !== "userUnknown") {
            this.#remember({
              recent: withRecent(
                this.remembered.recent,
                remembered(call.conferenceId ?? call.remoteUserId, kindOfCall(call)),
              ),
            });
          }
          const tone = endTone(endCause, call.direction, answeredTime !== undefined);
          if (tone && desk.calls.length === 0) sound.once(tone);
        },
        charged: () => balance.changes(),
        log: (text, level) => log.add("call", text, level),
        failed: this.failed,
      },
      this.now,
    );
    const post = new Post(
      link.user,
      client.messageClient,
      {
        changed: this.changed,
        heard: () => {
          this.#cutOff = false;
        },
        log: (text, level) => log.add("message", text, level),
        failed: this.failed,
      },
      {
        storage: localStorage,
        name: `carillon.softphone.messages:${link.key}:${link.user}`,
        visible: () => document.visibilityState === "visible",
        later: (ms, run) => setTimeout(run, ms),
      },
    );
    const wake = new Wake(client, link.key, browserToWake, {
      changed: this.changed,
      wanted: (on) => this.#remember({ wake: on }),
    });
    client.on("started", () => {
      log.add("client", "started");
      this.session = { key: link.key, user: link.user, client, desk, post, sound, wake, balance };
      if (this.remembered.wake) void wake.resume();
      const [person] = this.#toOpen.splice(0);
      if (person) post.openWith([person]);
      this.changed();
    });
    client.push.on("callOver", (result) => this.#opened(result));
    if ("serviceWorker" in navigator) {
      this.#deaf();
      this.#unlisten = receiveNotifications(client, {
        opened: (result) => this.#opened(result),
        hidden: { call: () => ({ icon: "/icon.png" }), missedCall: () => ({ icon: "/icon.png" }) },
      });
    }
    client.on("stopped", () => log.add("client", "stopped"));
    client.on("failed", (error: CarillonError) => {
      log.add("client", `failed: ${error.code} ${error.message}`, "error");
      // It does not come back; its messages would go on asking.
      this.#deaf();
      void client.terminate();
      if (this.session?.client !== client) return;
      // The instance was revoked, or the client cannot go on: back to the form.
      this.#left();
      this.#connected = false;
      this.failed(error);
    });
    client.on("credentialsRequired", (registration) => {
      log.add("client", "credentialsRequired");
      if (link.token) registration.register({ token: link.token });
      else registration.registerFailed();
    });
    client.on("connection", ({ online }) => {
      log.add("client", `connection ${online ? "online" : "offline"}`);
      this.#connected = online;
      this.#cutOff = false;
      post.connected(online);
      this.changed();
    });
    client.on("logMessage", ({ level, area, message }) => {
      log.add(area, message, level === "warning" ? "warn" : level);
    });
  }
}

const browserToWake: WakeBrowser = {
  serviceWorker: "PushManager" in globalThis ? navigator.serviceWorker : undefined,
  permission: () => Notification.requestPermission(),
  granted: () => globalThis.Notification?.permission === "granted",
};

const askForToken: Problem = {
  message: "This browser is not signed in as this user yet.",
  hint: "Paste a token: `npm run carillon -- user token` or the app's server makes one.",
};
