# help2man.awk - a manual page of what --help prints: lines without indentation are headings, the
# rest keeps its layout. Variables: name, version. Of several texts, one for each command, only the
# first makes the page's own sections; of the others NAME, USAGE, DESCRIPTION and OPTIONS follow
# under the command's name.
function escape(line) {
  gsub(/\\/, "\\e", line); gsub(/-/, "\\-", line); sub(/^[.']/, "\\\\\\&&", line)
  return line
}
function leave() { if (kept) print ".fi"; kept = 0 }

FNR == 1 { text++; if (text == 1) printf ".TH %s 1 \"\" \"convex-c %s\" \"User Commands\"\n", toupper(name), version }

/^[A-Z]/ {
  leave(); heading = $0; started = 0
  if (text == 1) print ".SH " heading
  else if (heading != "NAME" && heading ~ /^(USAGE|DESCRIPTION|OPTIONS|EXAMPLE)/) print ".PP\n\\fI" tolower(heading) "\\fR"
  next
}
text > 1 && heading == "NAME" { if (!sub(/^ +/, "")) next; leave(); sub(name " ", ""); sub(/ - /, "\\fR \\- "); print ".SS \\fB" $0; next }
text > 1 && heading !~ /^(USAGE|DESCRIPTION|OPTIONS|EXAMPLE)/ { next }
heading == "NAME" { sub(/^ +/, ""); line = escape($0); sub(/ \\- /, " \\- ", line); print line; next }
!started && /^$/ { next }
{ if (!kept) { print ".nf"; kept = 1 } started = 1; print escape($0) }
END { leave() }
