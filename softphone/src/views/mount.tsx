import { useLayoutEffect, useRef } from "preact/hooks";

/** Puts an element that the SDK owns into the page. */
export function Mount({ element, name, testid }: { element: HTMLElement; name: string; testid: string }) {
  const place = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => place.current?.replaceChildren(element), [element]);
  return <div ref={place} class={name} data-testid={testid} />;
}
