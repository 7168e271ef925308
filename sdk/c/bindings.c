/// The generated bindings, less their freeing: what they would free is the arena's (see component.c).

#include <stdlib.h>

#define free(memory) ((void)(memory))

#include "plugin.c"
