/** What an element may hold: text is always text, never markup. */
export type Content = Node | string | null | readonly Content[];

/** An element of the page's own markup. @throws Error when the markup has none of this id */
export function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (!found) throw new Error(`the page has no #${id}`);
  return found;
}

/** Makes an element. */
export function make(tag: string, attributes: Readonly<Record<string, string>>, ...content: Content[]) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  element.append(...flat(content));
  return element;
}

/** Sets a text, and touches the page only when it is another: a selection in it survives. */
export function setText(element: Element, text: string): void {
  if (element.textContent !== text) element.textContent = text;
}

const drawn = new WeakMap<Element, string>();

/** Fills an element anew when `of` has changed since the last time: focus and selection in it survive until then. */
export function fill(element: Element, of: unknown, content: () => Content): void {
  const key = JSON.stringify(of);
  if (drawn.get(element) === key) return;
  drawn.set(element, key);
  element.replaceChildren(...flat([content()]));
}

/** A time of day, with the whole time for machines and on hover. */
export function time(iso: string): HTMLElement {
  const at = new Date(iso);
  return make('time', { datetime: iso, title: at.toLocaleString() }, clockTime(at.getTime()));
}

/** `14:03:22` in the reader's time zone. */
export function clockTime(atMs: number): string {
  return new Date(atMs).toLocaleTimeString(undefined, {
    hour: '2-digit',
    minute: '2-digit',
    second: '2-digit',
    hourCycle: 'h23',
  });
}

function flat(content: readonly Content[]): (Node | string)[] {
  return content.flatMap((each) => {
    if (each === null) return [];
    return typeof each === 'string' || each instanceof Node ? [each] : flat(each);
  });
}
