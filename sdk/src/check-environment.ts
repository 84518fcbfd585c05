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
  const { findIssues } = await import("./environment");
  return findIssues(options);
}
