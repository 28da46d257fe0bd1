// components.ts - the components of a message: what Discord accepts, and their media.
// Pure. Without IS_COMPONENTS_V2 there are only rows of buttons and menus; with it a
// tree of layout, text and media, at most 40 in all and 4000 characters of text.
import type { Form } from "./errors.js";
import { isObject, list, text, url, whole, type Json } from "./validate.js";

type Path = readonly (string | number)[];

export const ComponentType = {
  ROW: 1,
  BUTTON: 2,
  SECTION: 9,
  TEXT: 10,
  THUMBNAIL: 11,
  GALLERY: 12,
  FILE: 13,
  SEPARATOR: 14,
  CONTAINER: 17,
} as const;
const T = ComponentType;

const MENUS = [3, 5, 6, 7, 8];
const MOST = 40;
const MOST_TEXT = 4000;
const LEGACY_TOP = [T.ROW];
const IN_CONTAINER = [T.ROW, T.SECTION, T.TEXT, T.GALLERY, T.FILE, T.SEPARATOR];
const TOP = [...IN_CONTAINER, T.CONTAINER];

/** Checks one list of components; `v2` says which kind the message is of. */
export function checkComponentTree(
  form: Form,
  components: readonly unknown[],
  v2: boolean,
): void {
  const walk = new Walk(form);
  walk.all(["components"], components, v2 ? TOP : LEGACY_TOP);
  if (v2 && walk.count > MOST)
    form.add(
      ["components"],
      "BASE_TYPE_MAX_LENGTH",
      `Must be ${MOST} or fewer in length.`,
    );
  if (!v2 && components.length > 5)
    form.add(
      ["components"],
      "BASE_TYPE_MAX_LENGTH",
      "Must be 5 or fewer in length.",
    );
  if (walk.text > MOST_TEXT)
    form.add(
      ["components"],
      "COMPONENT_DISPLAYABLE_TEXT_SIZE_EXCEEDED",
      `The displayable text size exceeds the maximum size of ${MOST_TEXT}`,
    );
}

class Walk {
  count = 0;
  text = 0;
  readonly #form: Form;

  constructor(form: Form) {
    this.#form = form;
  }

  all(path: Path, items: readonly unknown[], allowed: readonly number[]): void {
    items.forEach((item, i) => this.#one([...path, i], item, allowed));
  }

  #one(path: Path, item: unknown, allowed: readonly number[]): void {
    this.count++;
    if (!isObject(item)) {
      this.#form.add(
        path,
        "MODEL_TYPE_CONVERT",
        "Only dictionaries may be used in a ModelType",
      );
      return;
    }
    const type = item["type"];
    if (typeof type !== "number" || !allowed.includes(type)) {
      const list = allowed.join(", ") + (allowed.length === 1 ? "," : "");
      this.#form.add(
        [...path, "type"],
        "UNION_TYPE_CHOICES",
        `Value of field "type" must be one of (${list}).`,
      );
      return;
    }
    this.#contents(path, item, type);
  }

  #contents(path: Path, item: Json, type: number): void {
    const form = this.#form;
    switch (type) {
      case T.ROW:
        return this.#children(path, item, 1, 5, [T.BUTTON, ...MENUS]);
      case T.CONTAINER:
        whole(form, [...path, "accent_color"], item["accent_color"], {
          min: 0,
          max: 0xffffff,
        });
        return this.#children(path, item, 1, MOST, IN_CONTAINER);
      case T.SECTION:
        this.#children(path, item, 1, 3, [T.TEXT]);
        return this.#one([...path, "accessory"], item["accessory"], [
          T.BUTTON,
          T.THUMBNAIL,
        ]);
      case T.TEXT:
        this.text +=
          text(form, [...path, "content"], item["content"], {
            min: 1,
            max: MOST_TEXT,
            required: true,
          })?.length ?? 0;
        return;
      case T.THUMBNAIL:
        return this.#media([...path, "media"], item["media"]);
      case T.FILE:
        return this.#media([...path, "file"], item["file"], true);
      case T.GALLERY:
        return this.#gallery(path, item["items"]);
      case T.BUTTON:
        return this.#button(path, item);
    }
  }

  #children(
    path: Path,
    item: Json,
    min: number,
    max: number,
    allowed: readonly number[],
  ): void {
    const at = [...path, "components"];
    const children = list(this.#form, at, item["components"], max);
    if (!children || children.length < min)
      this.#form.add(at, "BASE_TYPE_REQUIRED", "This field is required");
    this.all(at, children ?? [], allowed);
  }

  #gallery(path: Path, value: unknown): void {
    const at = [...path, "items"];
    const items = list(this.#form, at, value, 10);
    if (!items?.length)
      this.#form.add(at, "BASE_TYPE_REQUIRED", "This field is required");
    items?.forEach((item, i) =>
      this.#media(
        [...at, i, "media"],
        isObject(item) ? item["media"] : undefined,
      ),
    );
  }

  #media(path: Path, value: unknown, attached = false): void {
    const at = [...path, "url"];
    const given = isObject(value) ? value["url"] : undefined;
    const address = url(this.#form, at, given, {
      attachments: true,
      required: true,
    });
    if (attached && address && !address.startsWith("attachment://"))
      this.#form.add(
        at,
        "URL_TYPE_INVALID_SCHEME",
        `Scheme must be one of ('attachment').`,
      );
  }

  #button(path: Path, item: Json): void {
    const form = this.#form;
    const style = whole(form, [...path, "style"], item["style"], {
      min: 1,
      max: 6,
    });
    text(form, [...path, "label"], item["label"], { max: 80 });
    const key = style === 5 ? "url" : "custom_id";
    if (style !== 6)
      text(form, [...path, key], item[key], {
        min: 1,
        max: key === "url" ? 512 : 100,
        required: true,
      });
  }
}

/** Every media object of a tree, whatever it hangs from. */
function* mediaOf(value: unknown): Generator<Json> {
  if (Array.isArray(value)) {
    for (const item of value as unknown[]) yield* mediaOf(item);
  } else if (isObject(value)) {
    for (const key of ["media", "file"])
      if (isObject(value[key])) yield value[key];
    yield* mediaOf(value["components"]);
    yield* mediaOf(value["items"]);
    yield* mediaOf(value["accessory"]);
  }
}

/** The attachments' names that components show. */
export function attachedNames(components: readonly unknown[]): string[] {
  return [...mediaOf(components)].flatMap(({ url }) => {
    const name = /^attachment:\/\/(.+)$/.exec(String(url))?.[1];
    return name === undefined ? [] : [name];
  });
}

/** The tree as the wire shows it: numbered, its media with what `resolve` knows. */
export function shownComponents(
  components: readonly unknown[],
  resolve: (url: string) => Json,
): unknown[] {
  const copy = structuredClone(components) as unknown[];
  number(copy, { next: 1 });
  for (const media of mediaOf(copy))
    Object.assign(media, resolve(String(media["url"])));
  return copy;
}

function number(items: unknown, ids: { next: number }): void {
  if (!Array.isArray(items)) return;
  for (const item of items as unknown[]) {
    if (!isObject(item)) continue;
    item["id"] ??= ids.next++;
    number(item["components"], ids);
    number([item["accessory"]], ids);
  }
}
