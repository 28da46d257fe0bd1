/* writer.h - the generated header and source. Equal plans give equal bytes. */
#ifndef CONVEXGEN_WRITER_H
#define CONVEXGEN_WRITER_H

#include "plan.h"

void write_header(FILE *out, plan *p);
/* `header`: its file name, for the #include. */
void write_source(FILE *out, plan *p, const char *header);

#endif
