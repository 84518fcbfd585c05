/** What the keyboard can do, as the help shows it. */
export const shortcuts = [
  { key: "A", action: "answer", words: "Answer" },
  { key: "D", action: "hangup", words: "Decline or hang up" },
  { key: "Escape", action: "hangup", words: "Decline or hang up" },
  { key: "M", action: "mute", words: "Mute or unmute" },
  { key: "H", action: "hold", words: "Hold or resume" },
  { key: "V", action: "video", words: "Camera on or off" },
  { key: "S", action: "screen", words: "Share the screen or stop" },
  { key: "?", action: "help", words: "Show these shortcuts" },
] as const;

export type Action = (typeof shortcuts)[number]["action"];

/** The part of a KeyboardEvent that decides. */
export interface KeyPress {
  key: string;
  ctrlKey: boolean;
  metaKey: boolean;
  altKey: boolean;
  repeat: boolean;
}

/** What a key press asks for, or undefined. The browser's own combinations are left alone. */
export function actionOf(press: KeyPress): Action | undefined {
  if (press.ctrlKey || press.metaKey || press.altKey || press.repeat) return undefined;
  return shortcuts.find(({ key }) => key.toLowerCase() === press.key.toLowerCase())?.action;
}

/** Whether keys that reach this element are text. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}
