import {
  type CallStatistics,
  type ConnectionState,
  type IceServersResult,
  isApplicationKey,
  type PresenceResult,
  type Welcome,
} from "../../protocol";
import { AudioController } from "./audio";
import type { Call } from "./call";
import { CallClient } from "./call-client";
import { checkEnvironment, type EnvironmentIssue, type EnvironmentOptions } from "./check-environment";
import type { CarillonClientOptions, ClientEvents } from "./client-types";
import { Connection } from "./connection";
import { Devices } from "./devices";
import { Emitter } from "./emitter";
import { type CarillonError, makeError, must, mustBeUserId, toError } from "./errors";
import { IceServers } from "./ice-servers";
import type { Log } from "./log";
import { MessageClient } from "./message-client";
import { PushClient } from "./push-client";
import { type Credentials, Registrar } from "./registration";
import { baseUrlOf, defaultRuntime, defaultWebRtc, type Runtime } from "./runtime";
import { Starting } from "./starting";
import { uploadStatistics } from "./statistics";
import { defaultStorage } from "./storage";
import { VideoController } from "./video";

/**
 * The way to Carillon for one user on this device.
 *
 * @example
 * const client = new CarillonClient({ applicationKey, userId: "alice", environmentHost: "calls.example.com" });
 * client.on("credentialsRequired", async (registration) => {
 *   registration.register({ token: await fetchTokenFromMyServer() });
 * });
 * client.callClient.on("incomingCall", (call) => call.answer());
 * await client.start();
 * client.startListeningOnActiveConnection();
 */
export class CarillonClient extends Emitter<ClientEvents> {
  readonly callClient: CallClient;
  readonly messageClient: MessageClient;
  readonly push: PushClient;
  readonly audioController: AudioController;
  readonly videoController: VideoController;
  readonly userId: string;

  readonly #options: CarillonClientOptions;
  readonly #runtime: Runtime;
  /** @internal */
  readonly registrar: Registrar;
  readonly #connection: Connection;
  readonly #ice: IceServers;
  readonly #starting: Starting;
  readonly #log: Log = (level, area, message) => this.emit("logMessage", { level, area, message });
  #status: CarillonClient["status"] = "stopped";
  #calling = true;
  #listening = false;
  #backgroundSupported = false;
  /** The server's clock less ours, milliseconds. */
  #clockOffset = 0;
  readonly #inFront = () => this.#backgroundSupported || !this.#runtime.page.hidden();
  readonly #serverNow = () => this.#runtime.now() + this.#clockOffset;
  readonly #mustLive = () => {
    if (this.#status === "terminated") throw makeError("terminated");
  };
  readonly #mustRun = () => {
    this.#mustLive();
    must(this.#status === "started", "call start() first");
  };
  #unlisten: (() => void)[] = [];

  /** @throws CarillonError `invalidUse` when an option is malformed. */
  constructor(options: CarillonClientOptions) {
    super();
    const { applicationKey, userId, environmentHost } = options;
    must(isApplicationKey(applicationKey), "applicationKey: not a lowercase GUID");
    mustBeUserId(userId);
    must(environmentHost, "environmentHost: missing");
    this.#options = { ...options };
    this.userId = userId;
    this.#runtime = defaultRuntime(options);
    this.#starting = new Starting(this.#runtime, (error) => this.#failed(error));
    const baseUrl = baseUrlOf(environmentHost);
    const storage = options.storage ?? defaultStorage();
    this.registrar = new Registrar({
      ...options,
      baseUrl,
      runtime: this.#runtime,
      log: this.#log,
      storage,
      askApp: () => this.#askApp(),
    });
    this.#connection = this.#makeConnection(baseUrl);
    const webrtc = options.webrtc ?? defaultWebRtc();
    const devices = new Devices(webrtc);
    this.#ice = new IceServers(this.#runtime, this.#serverNow, () =>
      this.#connection.request<IceServersResult>({ type: "iceServers" }),
    );
    const calls = () => this.callClient.calls;
    this.audioController = new AudioController(devices, calls, this.#log);
    this.videoController = new VideoController(devices, calls);
    const context = {
      runtime: this.#runtime,
      log: this.#log,
      storage,
      userId,
      registrar: this.registrar,
      connection: this.#connection,
      serverNow: this.#serverNow,
      webrtc,
      devices,
      ice: this.#ice,
      audio: this.audioController,
      options: this.#options,
      mustLive: this.#mustLive,
      mustRun: this.#mustRun,
      inFront: this.#inFront,
      ended: (call: Call, statistics: CallStatistics) => {
        this.audioController.detach(call);
        this.videoController.detach(call);
        void uploadStatistics(context, statistics);
      },
    };
    this.callClient = new CallClient(context);
    this.messageClient = new MessageClient(context);
    this.push = new PushClient(context, this.callClient);
  }

  /** Whether calls may come in; true by default. Before `start()`. */
  setSupportCalling(supported: boolean): void {
    this.#calling = supported;
    this.#tellState();
  }

  /** Whether messages come to this device; true by default. Before `start()`. */
  setSupportMessaging(supported: boolean): void {
    this.messageClient.support(supported);
  }

  /** Whether Carillon pushes to the device that `push` has; true by default. Before `start()`. */
  setSupportManagedPush(supported: boolean): void {
    this.push.support(supported);
  }

  /** Whether calls ring here while the page is hidden; false by default. */
  setSupportActiveConnectionInBackground(supported: boolean): void {
    this.#backgroundSupported = supported;
    this.#tellState();
  }

  /**
   * Registers this device if it is not, and connects. Settles in every case, within 15 seconds beside
   * the time that the app takes for `credentialsRequired` (30 at most); may be called again after a failure.
   *
   * @throws CarillonError (rejects) `networkLost`, `credentialsRequired`, or what the server says.
   */
  async start(): Promise<void> {
    this.#mustLive();
    if (this.#status === "started") return;
    if (this.#starting.promise) return this.#starting.promise;
    this.#status = "starting";
    this.emit("starting");
    const started = this.#starting.begin();
    void this.#begin();
    return started;
  }

  /** @internal */
  get status(): "stopped" | "starting" | "started" | "terminated" {
    return this.#status;
  }

  /** Calls ring here from now on. A client that only calls out need not listen. */
  startListeningOnActiveConnection(): void {
    this.#mustLive();
    this.#listening = true;
    this.#tellState();
  }

  stopListeningOnActiveConnection(): void {
    this.#listening = false;
    this.#tellState();
  }

  /** Ends every call and closes. Everything that came from this client is dead then. */
  async terminate(): Promise<void> {
    if (this.#status === "terminated") return;
    const was = this.#status;
    this.#status = "terminated";
    this.callClient.close();
    this.messageClient.close();
    this.push.removeListeners();
    this.#connection.tell({ type: "goodbye" });
    this.audioController.close();
    this.#stop(makeError("terminated"));
    if (was !== "stopped") this.emit("stopped");
    this.removeListeners();
  }

  /**
   * Terminates, forgets this device's instance, and revokes it on the server. Rejects when that cannot be
   * reached: it is then told by the next client of this storage that can, whoever's it is.
   */
  async logOut(): Promise<void> {
    this.#mustLive();
    await this.terminate();
    const ends = await Promise.allSettled([
      this.registrar.logOut(),
      this.messageClient.forget(),
      this.push.forget(),
    ]);
    for (const end of ends) if (end.status === "rejected") throw end.reason;
  }

  /** Whether a user of the application is connected, and when it was last (milliseconds since 1970). */
  async presence(userId: string): Promise<PresenceResult> {
    this.#mustRun();
    return this.#connection.request<PresenceResult>({ type: "presence", userId });
  }

  /** What this page lacks for calls, and how to mend it. */
  checkEnvironment(options?: EnvironmentOptions): Promise<EnvironmentIssue[]> {
    return checkEnvironment(options);
  }

  // ---- start ----------------------------------------------------------------------------------

  async #begin(): Promise<void> {
    try {
      await this.registrar.ensure();
      if (this.#status !== "starting") return;
      this.#listenToPage();
      this.#connection.open();
    } catch (error) {
      this.#failed(toError(error));
    }
  }

  #askApp(): Promise<Credentials> {
    const { applicationKey, userId } = this.#options;
    return this.#starting.ask((answer) =>
      this.emit("credentialsRequired", { userId, applicationKey, ...answer }),
    );
  }

  /** The end of a start, or of a connection that was there. */
  #failed(error: CarillonError): void {
    if (this.#status === "terminated" || this.#status === "stopped") return;
    this.#log("error", "client", error.message);
    this.#status = "stopped";
    for (const call of this.callClient.calls) call.fail(error);
    this.#stop(error);
    this.emit("failed", error);
  }

  #stop(error: CarillonError): void {
    this.#connection.close(error);
    for (const unlisten of this.#unlisten.splice(0)) unlisten();
    this.#starting.settle(error);
  }

  // ---- the connection -------------------------------------------------------------------------

  #makeConnection(baseUrl: string): Connection {
    return new Connection({
      runtime: this.#runtime,
      log: this.#log,
      url: `${baseUrl.replace(/^http/, "ws")}/v1/connect`,
      token: async () => {
        const { instanceId, instanceToken } = await this.registrar.ensure();
        await this.messageClient.prepare(instanceId);
        return instanceToken;
      },
      unauthorized: () => this.registrar.replace(),
      hello: () => ({
        state: this.#state(),
        calls: [...this.callClient.positions(), ...this.push.positions()],
        ...this.messageClient.hello(),
      }),
      onOnline: (welcome) => this.#online(welcome),
      onOffline: () => {
        this.messageClient.offline();
        this.emit("connection", { online: false });
      },
      onFrame: (frame) => {
        if (frame.type === "call" || frame.type === "synced")
          this.callClient.receive(frame, this.push.take(frame));
        else this.messageClient.receive(frame);
      },
      onFailed: (error) => this.#failed(error),
    });
  }

  #online(welcome: Welcome): void {
    this.#clockOffset = welcome.time - this.#runtime.now();
    this.callClient.online();
    this.messageClient.online();
    this.push.online();
    this.callClient.nudge();
    if (this.#calling) void this.#ice.prefetch();
    this.registrar.renewIfDue();
    this.emit("connection", { online: true });
    if (this.#status !== "starting") return;
    this.#status = "started";
    this.#starting.settle();
    this.emit("started");
  }

  #listenToPage(): void {
    const { page } = this.#runtime;
    const nudge = () => this.callClient.nudge();
    this.#unlisten = [
      page.on("network", nudge),
      page.on("online", () => {
        nudge();
        this.#connection.nudge();
      }),
      page.on("visible", () => {
        this.#connection.nudge();
        this.#tellState();
        this.messageClient.inFront();
      }),
      page.on("hidden", () => this.#tellState()),
      page.on("close", () => void this.#connection.tell({ type: "goodbye" })),
    ];
  }

  #state(): ConnectionState {
    return { listening: this.#listening && this.#calling, background: !this.#inFront() };
  }

  /** Hello says it too, so nothing is lost while there is no connection. */
  #tellState(): void {
    this.#connection.post({ type: "state", state: this.#state() }, () => {});
  }
}
