import type { RefObject } from "preact";
import { useEffect, useLayoutEffect, useState } from "preact/hooks";
import type { Size } from "../../conference/layout";
import { pictureSize } from "../../conference/people";

/** How much room there is in an element, and when that changes. */
export function useRoom(element: RefObject<HTMLElement | null>): Size {
  const [room, setRoom] = useState<Size>({ width: 0, height: 0 });
  useLayoutEffect(() => {
    const { current } = element;
    if (!current) return;
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setRoom({ width: entry.contentRect.width, height: entry.contentRect.height });
    });
    observer.observe(current);
    return () => observer.disconnect();
  }, [element]);
  return room;
}

/**
 * Tells how large something is on the screen, and null as long as nobody can see it: scrolled away, under a
 * conversation, or in a page behind others.
 */
export function useSeenSize(
  element: RefObject<HTMLElement | null>,
  tell: ((size: Size | null) => void) | undefined,
  on: unknown,
): void {
  useEffect(() => {
    const { current } = element;
    if (!current || !tell) return;
    let box: Size = { width: 0, height: 0 };
    let seen = false;
    let told: string | undefined;
    const look = () => {
      const visible = seen && document.visibilityState === "visible";
      const size = pictureSize(box, visible);
      const text = JSON.stringify(size);
      if (text === told) return;
      told = text;
      tell(size);
    };
    const resized = new ResizeObserver(([entry]) => {
      if (entry) box = { width: entry.contentRect.width, height: entry.contentRect.height };
      look();
    });
    const moved = new IntersectionObserver(([entry]) => {
      seen = entry?.isIntersecting ?? false;
      look();
    });
    resized.observe(current);
    moved.observe(current);
    document.addEventListener("visibilitychange", look);
    return () => {
      resized.disconnect();
      moved.disconnect();
      document.removeEventListener("visibilitychange", look);
    };
  }, [element, on]);
}
