/** What `checkEnvironment()` looks at: loaded when it is called. */
import { clientErrors } from "../../protocol";
import type { EnvironmentIssue, EnvironmentOptions } from "./check-environment";

export async function findIssues(options: EnvironmentOptions): Promise<EnvironmentIssue[]> {
  const issues: EnvironmentIssue[] = [];
  const need: Need = (good, check, issue) => {
    if (!good) issues.push({ check, ...issue });
  };
  const { navigator } = globalThis;
  need(globalThis.isSecureContext ?? true, "secureContext", {
    message: "The page is not secure.",
    hint: "Serve it over https://.",
  });
  const { webrtcUnavailable } = clientErrors;
  const { hint } = webrtcUnavailable;
  need(globalThis.WebSocket, "webSocket", { message: "There is no WebSocket.", hint });
  need(globalThis.RTCPeerConnection && navigator?.mediaDevices, "webrtc", webrtcUnavailable);
  need(globalThis.indexedDB, "storage", { message: "There is no IndexedDB.", hint });
  await needDevice("microphone", "audioinput", need);
  if (options.video) await needDevice("camera", "videoinput", need);
  if (options.push) {
    const permission = globalThis.Notification?.permission;
    need(permission === "granted", "notifications", {
      message: `Notifications are ${permission ?? "missing"}.`,
      hint: "Ask for them from a click.",
    });
    need(await navigator?.serviceWorker?.getRegistration?.(), "serviceWorker", {
      message: "There is no service worker.",
      hint: "Register one with handlePushes().",
    });
  }
  return issues;
}

type Need = (
  good: unknown,
  check: EnvironmentIssue["check"],
  issue: Pick<EnvironmentIssue, "message" | "hint">,
) => void;

async function needDevice(name: "microphone" | "camera", kind: MediaDeviceKind, need: Need): Promise<void> {
  const { navigator } = globalThis;
  const permission = await navigator?.permissions
    ?.query({ name: name as PermissionName })
    .catch(() => undefined);
  need(permission?.state !== "denied", name, clientErrors.permissionDenied);
  const devices = await navigator?.mediaDevices?.enumerateDevices?.().catch(() => undefined);
  need(devices?.some((device) => device.kind === kind) ?? true, name, clientErrors.deviceMissing);
}
