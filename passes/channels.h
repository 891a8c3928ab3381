// Channels of a graph: which channels of different values are one and the same, or must stay
// together.
#ifndef TENON_PASSES_CHANNELS_H
#define TENON_PASSES_CHANNELS_H

#include "passes/pass.h"

// The channels along one axis of a value, as numbers; equal numbers (after channel_root): one fate.
typedef struct ChannelAxis {
  int axis; // -1: none known
  int64_t count;
  int *ids;
} ChannelAxis;

typedef struct Channels {
  Arena *arena;
  ChannelAxis *of_value; // by value id
  int *parent;           // union-find
  bool *locked;          // must stay; looked at by the root
  bool *removed;         // decided by the caller, by root
  int count, capacity;
} Channels;

// Follows channels from the products that make them through the function. What an op needs whole,
// and outputs, are locked.
Channels channels_find(Graph *graph, Arena *arena);
int channel_root(const Channels *channels, int id);
const ChannelAxis *channels_of(const Channels *channels, const Value *value);
// A convolution (one group) or product with constant matrix that makes new channels along its last
// axis.
bool channels_is_producer(const Node *node);
bool channels_is_depthwise(const Node *node);
// Axis of a product's weights along which its outputs / inputs lie.
int channels_output_axis(const Node *node);
int channels_input_axis(const Node *node);

#endif
