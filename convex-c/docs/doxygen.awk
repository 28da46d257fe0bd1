# doxygen.awk - makes doxygen's comments of the plain ones in the public headers.
#   - The first comment of a file is about the file; others are about what follows, or, behind
#     code, about what they stand behind. Headings (---- x ----) are none.
#   - Indented lines (parameters, examples) keep their layout.
#   - A declaration without a comment, right below one that has one, shares it; functions that add
#     a reference all do the same.

function escape(text) {
  gsub(/\\/, "\\\\", text); gsub(/&/, "\\&amp;", text); gsub(/</, "\\&lt;", text); gsub(/>/, "\\&gt;", text)
  gsub(/"/, "\\&quot;", text); gsub(/[@#*%]/, "\\\\&", text)
  return text
}

function put(line) { # one line of a comment's text
  sub(/^ *\*? ?/, "", line)
  indented = line ~ /^  /
  if (indented && !kept) text = text "@verbatim\n"
  if (!indented && kept) text = text "@endverbatim\n"
  kept = indented
  text = text (indented ? line : escape(line)) "\n"
}

function finish() { # the comment as doxygen has it
  if (kept) text = text "@endverbatim\n"
  kept = 0
  sub(/\n$/, "", text)
  return text
}

FNR == 1 { first = 1; open = 0; code = 0; shared = ""; text = ""; kept = 0 }

open { # inside a comment of several lines
  if (sub(/ *\*\/.*$/, "")) { put($0); open = 0; comment_ends() } else put($0)
  next
}

function comment_ends() {
  finish()
  if (trailing) { print text " */"; return }
  if (first) { print "/** @file\n" text " */"; first = 0; return }
  shared = text
  print "/** " text " */"
  fresh = 1
}

/\/\* ?(----|clang-format)/ { print ""; shared = ""; next }

/^ *\/\*/ && !/\*\/ *[^ ]/ { # a comment of its own
  line = $0; sub(/^ *\/\*/, "", line)
  text = ""; trailing = 0
  if (first) sub(/^ [a-z\/_0-9]+\.h - /, " ", line)
  if (sub(/ *\*\/ *$/, "", line)) { put(line); comment_ends() } else { put(line); open = 1 }
  next
}

/[^ ].*\/\*/ { # behind code
  at = index($0, "/*")
  code_part = substr($0, 1, at - 1); line = substr($0, at + 2)
  printf "%s/**< ", code_part
  text = ""; trailing = 1; fresh = 0
  if (sub(/ *\*\/ *$/, "", line)) { put(line); comment_ends() } else { put(line); open = 1 }
  next
}

/^$/ { shared = ""; fresh = 0; print; next }

/^CONVEX_API.*_ref\(/ && !fresh { print "/** One more reference; returns its argument. */"; print; next }
/^(CONVEX_API|#define CONVEX_[A-Z]*_[A-Z]* [0-9])/ && shared != "" && !fresh { print "/** " shared " */" }
{ fresh = 0; print }
