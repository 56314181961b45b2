#include "conform.h"
const conform_case conform_rule16_slots[] = { { 0 } };
const conform_case conform_floors[] = { { 0 } };
const conform_case conform_capabilities[] = { { 0 } };
