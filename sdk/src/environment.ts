/** What a page lacks for calls: the browser's counterpart of checking an app's manifest. */

/** Something that is missing, and how to mend it. */
export interface EnvironmentIssue {
  check:
    | "secureContext"
    | "webSocket"
    | "webrtc"
    | "storage"
    | "microphone"
    | "camera"
    | "notifications"
    | "serviceWorker";
  message: string;
  hint: string;
}

export interface EnvironmentOptions {
  /** The app makes video calls: look at the camera too. */
  video?: boolean;
  /** The app wants to be woken by pushes: look at notifications and the service worker too. */
  push?: boolean;
}

/**
 * Looks at what calls need, asks nobody for permission, and returns what is missing. For development.
 *
 * @example
 * for (const { check, hint } of await checkEnvironment({ video: true })) console.warn(check, hint);
 */
export async function checkEnvironment(options: EnvironmentOptions = {}): Promise<EnvironmentIssue[]> {
  const issues: EnvironmentIssue[] = [];
  const need = (good: unknown, check: EnvironmentIssue["check"], message: string, hint: string) => {
    if (!good) issues.push({ check, message, hint });
  };
  const { navigator } = globalThis;
  need(
    globalThis.isSecureContext ?? true,
    "secureContext",
    "The page is not secure.",
    "Serve it over https://, or from localhost.",
  );
  need(globalThis.WebSocket, "webSocket", "There is no WebSocket.", "Pass one in the client's options.");
  need(
    globalThis.RTCPeerConnection && navigator?.mediaDevices,
    "webrtc",
    "There is no WebRTC.",
    "Pass one in the client's options.",
  );
  need(globalThis.indexedDB, "storage", "There is no IndexedDB.", "Pass `storage` in the client's options.");
  await needDevice("microphone", "audioinput", need);
  if (options.video) await needDevice("camera", "videoinput", need);
  if (options.push) {
    const permission = globalThis.Notification?.permission;
    need(
      permission === "granted",
      "notifications",
      `Notifications are ${permission ?? "missing"}.`,
      "Call Notification.requestPermission() from a click.",
    );
    need(
      await navigator?.serviceWorker?.getRegistration?.(),
      "serviceWorker",
      "No service worker is registered.",
      "Register one that hands push messages to Carillon.",
    );
  }
  return issues;
}

type Need = (good: unknown, check: EnvironmentIssue["check"], message: string, hint: string) => void;

async function needDevice(name: "microphone" | "camera", kind: MediaDeviceKind, need: Need): Promise<void> {
  const { navigator } = globalThis;
  const permission = await navigator?.permissions
    ?.query({ name: name as PermissionName })
    .catch(() => undefined);
  need(
    permission?.state !== "denied",
    name,
    `The ${name} is refused to this site.`,
    "Allow it in the site's settings.",
  );
  const devices = await navigator?.mediaDevices?.enumerateDevices?.().catch(() => undefined);
  if (devices)
    need(
      devices.some((device) => device.kind === kind),
      name,
      `There is no ${name}.`,
      "Plug one in.",
    );
}
