/** A text that keys are written into where the caret is, or in the place of what is selected. */
export interface Edited {
  text: string;
  caret: number;
}

export function typed(text: string, start: number, end: number, key: string): Edited {
  return { text: text.slice(0, start) + key + text.slice(end), caret: start + key.length };
}

/** What is selected goes, or else the character before the caret. */
export function erased(text: string, start: number, end: number): Edited {
  const [last = ""] = start === end ? [...text.slice(0, start)].slice(-1) : [];
  return typed(text, start - last.length, end, "");
}
