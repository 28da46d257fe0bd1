// Markup.tsx - shows what markup.ts read. React nodes only, never HTML.

import { memo, useState, type ReactNode } from "react";
import { parse, type Block, type Inline } from "./markup";
import { PointInTime } from "../ui/time";
import { Text } from "./terms";

export const Markup = memo(function Markup({ text }: { text: string }) {
  return <>{parse(text).map((block, i) => showBlock(block, i))}</>;
});

/** The same without blocks, for titles and names. */
export const InlineMarkup = memo(function InlineMarkup(props: {
  text: string;
}) {
  const [first] = parse(props.text.replace(/\n/g, " "));
  if (first === undefined || first.type === "codeBlock") return props.text;
  return <>{first.children.map(showInline)}</>;
});

function showBlock(block: Block, key: number): ReactNode {
  switch (block.type) {
    case "codeBlock":
      return (
        <pre key={key} className="code-block" dir="ltr" tabIndex={0}>
          <code>
            <Text text={block.text} />
          </code>
        </pre>
      );
    case "quote":
      return (
        <blockquote key={key} dir="auto">
          {block.children.map(showInline)}
        </blockquote>
      );
    case "heading":
      return (
        <p key={key} className={`heading level-${block.level}`} dir="auto">
          {block.children.map(showInline)}
        </p>
      );
    default:
      return (
        <p key={key} className={block.type} dir="auto">
          {block.children.map(showInline)}
        </p>
      );
  }
}

const ELEMENTS = {
  bold: "strong",
  italic: "em",
  underline: "u",
  strike: "s",
} as const;

function showInline(node: Inline, key: number): ReactNode {
  switch (node.type) {
    case "text":
      return <Text key={key} text={node.text} />;
    case "code":
      return (
        <code key={key}>
          <Text text={node.text} />
        </code>
      );
    case "tag":
      return (
        <span key={key} className="tag">
          {node.text}
        </span>
      );
    case "time":
      return <PointInTime key={key} at={node.at} />;
    case "link":
      return (
        <a
          key={key}
          href={node.url}
          target="_blank"
          rel="noopener noreferrer nofollow"
        >
          {node.children.map(showInline)}
        </a>
      );
    case "spoiler":
      return <Spoiler key={key}>{node.children.map(showInline)}</Spoiler>;
    default: {
      const Element = ELEMENTS[node.type];
      return <Element key={key}>{node.children.map(showInline)}</Element>;
    }
  }
}

function Spoiler({ children }: { children: ReactNode }) {
  const [shown, setShown] = useState(false);
  if (shown) return <span className="spoiler shown">{children}</span>;
  return (
    <button
      type="button"
      className="spoiler"
      aria-label="Spoiler, show it"
      onClick={() => setShown(true)}
    >
      <span aria-hidden="true">{children}</span>
    </button>
  );
}
