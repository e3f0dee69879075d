import { ProtobufWriter } from './protobufWriter.ts';
import type { Tree, TreeModel } from './treeModel.ts';

/**
 * A forest as ONNX: `X` float[N, features] → `probabilities` float[N, classes], by a TreeEnsembleRegressor with
 * one target a class and a Softmax. Equal models give equal bytes. Pure; no I/O.
 *
 * Not a TreeEnsembleClassifier: with two classes onnxruntime takes the second margin for minus the first.
 * Version 3 of the operators of ai.onnx.ml: 5 deprecates them, and their successor is read differently by
 * different runtimes. Field numbers are those of onnx.proto.
 *
 * @see docs/decisions/0007-xgboost-by-koffi-onnx-by-hand.md
 */
export function onnxOfTrees(model: TreeModel): Uint8Array {
  const graph = new ProtobufWriter()
    .message(1, treesNode(model))
    .message(1, softmaxNode())
    .text(2, 'trees')
    .message(11, tensorInfo('X', model.featureCount))
    .message(12, tensorInfo('probabilities', model.baseMargins.length));
  return new ProtobufWriter()
    .integer(1, 8) // ir_version
    .text(2, 'tidemark')
    .message(7, graph)
    .message(8, operatorSet('ai.onnx.ml', 3))
    .message(8, operatorSet('', 17))
    .finish();
}

// === Helpers ===

// NodeProto: input = 1, output = 2, name = 3, op_type = 4, attribute = 5, domain = 7.

function treesNode(model: TreeModel): ProtobufWriter {
  const node = new ProtobufWriter().text(1, 'X').text(2, 'margins');
  node.text(3, 'trees').text(4, 'TreeEnsembleRegressor');
  for (const attribute of attributesOf(model)) node.message(5, attribute);
  return node.text(7, 'ai.onnx.ml');
}

function softmaxNode(): ProtobufWriter {
  const node = new ProtobufWriter().text(1, 'margins').text(2, 'probabilities');
  return node.text(3, 'softmax').text(4, 'Softmax').message(5, integer('axis', 1));
}

function attributesOf(model: TreeModel): ProtobufWriter[] {
  const nodes = model.trees.flatMap(nodesOf);
  return [
    floats('base_values', model.baseMargins),
    integer('n_targets', model.baseMargins.length),
    text('post_transform', 'NONE'),
    ...leafAttributes(nodes.filter(({ isLeaf }) => isLeaf)),
    ...nodeAttributes(nodes),
  ];
}

function leafAttributes(leaves: readonly Node[]): ProtobufWriter[] {
  const ofLeaves = (pick: (leaf: Node) => number) => leaves.map(pick);
  return [
    integers(
      'target_ids',
      ofLeaves(({ tree }) => tree.classIndex),
    ),
    integers(
      'target_nodeids',
      ofLeaves(({ id }) => id),
    ),
    integers(
      'target_treeids',
      ofLeaves(({ treeId }) => treeId),
    ),
    floats(
      'target_weights',
      ofLeaves(({ value }) => value),
    ),
  ];
}

function nodeAttributes(nodes: readonly Node[]): ProtobufWriter[] {
  const ofSplits = (pick: (node: Node) => number) => nodes.map((node) => (node.isLeaf ? 0 : pick(node)));
  // The strict comparison: with BRANCH_LEQ a value that equals its threshold goes the other way.
  const modes = nodes.map(({ isLeaf }) => (isLeaf ? 'LEAF' : 'BRANCH_LT'));
  return [
    integers(
      'nodes_falsenodeids',
      ofSplits(({ tree, id }) => tree.right[id] ?? 0),
    ),
    integers(
      'nodes_featureids',
      ofSplits(({ tree, id }) => tree.feature[id] ?? 0),
    ),
    integers(
      'nodes_missing_value_tracks_true',
      ofSplits(({ tree, id }) => Number(tree.defaultLeft[id])),
    ),
    strings('nodes_modes', modes),
    integers(
      'nodes_nodeids',
      nodes.map(({ id }) => id),
    ),
    integers(
      'nodes_treeids',
      nodes.map(({ treeId }) => treeId),
    ),
    integers(
      'nodes_truenodeids',
      ofSplits(({ tree, id }) => tree.left[id] ?? 0),
    ),
    floats(
      'nodes_values',
      ofSplits(({ value }) => value),
    ),
  ];
}

interface Node {
  readonly tree: Tree;
  readonly treeId: number;
  readonly id: number;
  readonly isLeaf: boolean;
  readonly value: number;
}

/** The nodes that can be reached, by id: pruning leaves dead ones in the arrays. */
function nodesOf(tree: Tree, treeId: number): Node[] {
  const reached: number[] = [];
  const open = [0];
  for (let id = open.pop(); id !== undefined; id = open.pop()) {
    reached.push(id);
    const [left = -1, right = -1] = [tree.left[id], tree.right[id]];
    if (left !== -1) open.push(left, right);
  }
  reached.sort((a, b) => a - b);
  return reached.map((id) => ({
    tree,
    treeId,
    id,
    isLeaf: tree.left[id] === -1,
    value: tree.value[id] ?? 0,
  }));
}

// AttributeProto: name = 1, i = 3, s = 4, floats = 7, ints = 8, strings = 9, type = 20.

function floats(name: string, values: readonly number[]): ProtobufWriter {
  return new ProtobufWriter().text(1, name).floats(7, values).integer(20, 6);
}

function integers(name: string, values: readonly number[]): ProtobufWriter {
  return new ProtobufWriter().text(1, name).integers(8, values).integer(20, 7);
}

function integer(name: string, value: number): ProtobufWriter {
  return new ProtobufWriter().text(1, name).integer(3, value).integer(20, 2);
}

function text(name: string, value: string): ProtobufWriter {
  return new ProtobufWriter().text(1, name).text(4, value).integer(20, 3);
}

function strings(name: string, values: readonly string[]): ProtobufWriter {
  const attribute = new ProtobufWriter().text(1, name);
  for (const value of values) attribute.text(9, value);
  return attribute.integer(20, 8);
}

/** ValueInfoProto of a tensor float[N, width]. */
function tensorInfo(name: string, width: number): ProtobufWriter {
  const shape = new ProtobufWriter()
    .message(1, new ProtobufWriter().text(2, 'N'))
    .message(1, new ProtobufWriter().integer(1, width));
  const tensor = new ProtobufWriter().integer(1, 1).message(2, shape);
  return new ProtobufWriter().text(1, name).message(2, new ProtobufWriter().message(1, tensor));
}

function operatorSet(domain: string, version: number): ProtobufWriter {
  return new ProtobufWriter().text(1, domain).integer(2, version);
}
