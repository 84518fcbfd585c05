/**
 * A desktop that shows notifications, as far as a browser can tell (freedesktop.org, “Desktop
 * Notifications Specification”), and a person who clicks on them: the browser's own `notificationclick`
 * follows, with all that it allows.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Bus, type MethodCall } from "./dbus";

export interface DesktopNotification {
  id: number;
  title: string;
  body: string;
  /** What each button does when it is clicked, by what is written on it. */
  buttons: Record<string, string>;
}

const path = "/org/freedesktop/Notifications";
const name = "org.freedesktop.Notifications";
/** A click on the notification itself. */
const whole = "default";

export class Desktop {
  /** For the browser's environment. */
  address = "";
  /** What is to be seen now, oldest first. */
  readonly notifications: DesktopNotification[] = [];
  readonly #folder = mkdtempSync(join(tmpdir(), "carillon-desktop-"));
  readonly #bus = new Bus((call) => this.#answer(call));
  #last = 0;

  static async open(): Promise<Desktop> {
    const desktop = new Desktop();
    desktop.address = await desktop.#bus.listen(join(desktop.#folder, "bus"));
    return desktop;
  }

  /** Clicks on a button, or on the notification itself. Errors: there is no such thing to be seen. */
  click(notification: DesktopNotification, button?: string): void {
    const action = button === undefined ? whole : notification.buttons[button];
    if (!this.notifications.includes(notification) || action === undefined) {
      throw new Error(`Nothing says ${button}: ${JSON.stringify(this.notifications)}`);
    }
    this.#bus.signal(path, name, "ActionInvoked", "us", [notification.id, action]);
  }

  async close(): Promise<void> {
    await this.#bus.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #answer({ interface: asked, member, args }: MethodCall) {
    if (asked !== name) return undefined;
    switch (member) {
      case "GetCapabilities":
        return { signature: "as", values: [["actions", "body", "body-markup", "persistence"]] };
      case "GetServerInformation":
        return { signature: "ssss", values: ["Stand-in", "Carillon", "1", "1.2"] };
      case "Notify":
        return { signature: "u", values: [this.#notify(args)] };
      case "CloseNotification":
        this.#take(Number(args[0]));
        return { signature: "", values: [] };
      default:
        return undefined;
    }
  }

  #notify([, replaces, , title, body, actions]: unknown[]): number {
    const id = Number(replaces) || ++this.#last;
    const pairs = actions as string[];
    const buttons = Object.fromEntries(
      pairs.flatMap((action, n) => (n % 2 === 0 && action !== whole ? [[pairs[n + 1] ?? "", action]] : [])),
    );
    const notification = { id, title: String(title), body: String(body), buttons };
    const at = this.notifications.findIndex((other) => other.id === id);
    if (at >= 0) this.notifications[at] = notification;
    else this.notifications.push(notification);
    return id;
  }

  #take(id: number): void {
    const at = this.notifications.findIndex((other) => other.id === id);
    if (at < 0) return;
    this.notifications.splice(at, 1);
    // Closed by a call: reason 3.
    this.#bus.signal(path, name, "NotificationClosed", "uu", [id, 3]);
  }
}
