//! The constraint DAG as a straight-line program over a few registers.
//!
//! In: the nodes and which of them are asked for. Out: instructions in topological order, for those nodes alone, whose
//! registers are given back at their value's last use, so that the working set stays in the first-level cache.

use openvm_stark_backend::air_builders::symbolic::{
    SymbolicExpressionNode as Node,
    symbolic_variable::{Entry, SymbolicVariable},
};

use super::arithmetic::Arithmetic;
use crate::packing::F;

/// What a program reads at a row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Input {
    /// One of [`super::SELECTORS`].
    Selector(usize),
    /// Column `column` of part `part`, of the row itself or of the next.
    Column { part: usize, column: usize, next: bool },
}

type Register = u32;

#[derive(Clone, Copy)]
enum Instruction {
    Add(Register, Register, Register),
    Sub(Register, Register, Register),
    Mul(Register, Register, Register),
    Neg(Register, Register),
    AddConstant(Register, Register, F),
    MulConstant(Register, Register, F),
    Constant(Register, F),
}

/// Registers hold the inputs first, then what the instructions compute.
pub struct Program {
    pub inputs: Vec<Input>,
    instructions: Vec<Instruction>,
    registers: usize,
    /// Where each node that was asked for is found afterwards.
    pub outputs: Vec<Register>,
    /// The greatest degree of those nodes.
    pub degree: usize,
}

#[derive(Clone, Copy)]
enum Value {
    Register(Register),
    Constant(F),
}

impl Program {
    /// `part_of_main` is the part that the first partition of the main trace is.
    pub fn new(nodes: &[Node<F>], outputs: &[usize], public_values: &[F], part_of_main: usize) -> Self {
        let last_uses = last_uses(nodes, outputs);
        let input_of = |node: &Node<F>| input(node, part_of_main);
        let used = || nodes.iter().zip(&last_uses).filter(|(_, last_use)| last_use.is_some()).map(|(node, _)| node);
        let inputs: Vec<Input> = used().filter_map(input_of).collect();
        let mut compiler = Compiler { registers: inputs.len(), free: Vec::new(), instructions: Vec::new() };
        let mut values: Vec<Option<Value>> = vec![None; nodes.len()];
        let mut next_input = 0;
        for (i, node) in nodes.iter().enumerate() {
            let Some(_) = last_uses[i] else { continue };
            let of = |idx: &usize| values[*idx].expect("operands come before their use");
            let value = match node {
                Node::Variable(SymbolicVariable { entry: Entry::Public, index, .. }) => {
                    Value::Constant(public_values[*index])
                }
                Node::Variable(_) | Node::IsFirstRow | Node::IsTransition | Node::IsLastRow => {
                    next_input += 1;
                    Value::Register(next_input - 1)
                }
                Node::Constant(c) => Value::Constant(*c),
                Node::Add { left_idx, right_idx, .. } => compiler.add(of(left_idx), of(right_idx)),
                Node::Sub { left_idx, right_idx, .. } => compiler.sub(of(left_idx), of(right_idx)),
                Node::Mul { left_idx, right_idx, .. } => compiler.mul(of(left_idx), of(right_idx)),
                Node::Neg { idx, .. } => compiler.neg(of(idx)),
            };
            values[i] = Some(value);
            for operand in operands(node) {
                if last_uses[operand] == Some(i)
                    && let Some(Value::Register(register)) = values[operand]
                    && register as usize >= inputs.len()
                    && !matches!(value, Value::Register(own) if own == register)
                {
                    compiler.free.push(register);
                }
            }
        }
        let outputs_at = outputs.iter().map(|i| compiler.pinned(values[*i].expect("outputs are computed"))).collect();
        let Compiler { registers, instructions, .. } = compiler;
        Self { inputs, instructions, registers, outputs: outputs_at, degree: degree(nodes, outputs) }
    }

    pub fn registers<A: Arithmetic>(&self) -> Vec<A::V> {
        vec![A::ZERO; self.registers]
    }

    /// Computes the outputs from the inputs, which the first registers hold.
    #[inline(always)]
    pub fn run<A: Arithmetic>(&self, registers: &mut [A::V]) {
        for instruction in &self.instructions {
            match *instruction {
                Instruction::Add(to, a, b) => {
                    registers[to as usize] = A::add(&registers[a as usize], &registers[b as usize]);
                }
                Instruction::Sub(to, a, b) => {
                    registers[to as usize] = A::sub(&registers[a as usize], &registers[b as usize]);
                }
                Instruction::Mul(to, a, b) => {
                    registers[to as usize] = A::mul(&registers[a as usize], &registers[b as usize]);
                }
                Instruction::Neg(to, a) => registers[to as usize] = A::neg(&registers[a as usize]),
                Instruction::AddConstant(to, a, c) => {
                    registers[to as usize] = A::add_constant(&registers[a as usize], c);
                }
                Instruction::MulConstant(to, a, c) => {
                    registers[to as usize] = A::mul_constant(&registers[a as usize], c);
                }
                Instruction::Constant(to, c) => registers[to as usize] = A::constant(c),
            }
        }
    }
}

/// Instructions and registers so far.
struct Compiler {
    registers: usize,
    free: Vec<Register>,
    instructions: Vec<Instruction>,
}

impl Compiler {
    fn register(&mut self) -> Register {
        self.free.pop().unwrap_or_else(|| {
            self.registers += 1;
            (self.registers - 1) as Register
        })
    }

    fn emit(&mut self, instruction: impl FnOnce(Register) -> Instruction) -> Value {
        let to = self.register();
        self.instructions.push(instruction(to));
        Value::Register(to)
    }

    fn add(&mut self, left: Value, right: Value) -> Value {
        match (left, right) {
            (Value::Register(a), Value::Register(b)) => self.emit(|to| Instruction::Add(to, a, b)),
            (Value::Register(a), Value::Constant(c)) | (Value::Constant(c), Value::Register(a)) => {
                self.emit(|to| Instruction::AddConstant(to, a, c))
            }
            (Value::Constant(a), Value::Constant(b)) => Value::Constant(a + b),
        }
    }

    fn sub(&mut self, left: Value, right: Value) -> Value {
        match (left, right) {
            (Value::Register(a), Value::Register(b)) => self.emit(|to| Instruction::Sub(to, a, b)),
            (Value::Register(a), Value::Constant(c)) => self.emit(|to| Instruction::AddConstant(to, a, -c)),
            (Value::Constant(c), Value::Register(a)) => {
                let to = self.register();
                self.instructions.extend([Instruction::Neg(to, a), Instruction::AddConstant(to, to, c)]);
                Value::Register(to)
            }
            (Value::Constant(a), Value::Constant(b)) => Value::Constant(a - b),
        }
    }

    fn mul(&mut self, left: Value, right: Value) -> Value {
        match (left, right) {
            (Value::Register(a), Value::Register(b)) => self.emit(|to| Instruction::Mul(to, a, b)),
            (Value::Register(a), Value::Constant(c)) | (Value::Constant(c), Value::Register(a)) => {
                self.emit(|to| Instruction::MulConstant(to, a, c))
            }
            (Value::Constant(a), Value::Constant(b)) => Value::Constant(a * b),
        }
    }

    fn neg(&mut self, value: Value) -> Value {
        match value {
            Value::Register(a) => self.emit(|to| Instruction::Neg(to, a)),
            Value::Constant(c) => Value::Constant(-c),
        }
    }

    /// The register of an output; a constant gets one of its own.
    fn pinned(&mut self, value: Value) -> Register {
        match value {
            Value::Register(register) => register,
            Value::Constant(c) => {
                let to = self.registers as Register;
                self.registers += 1;
                self.instructions.push(Instruction::Constant(to, c));
                to
            }
        }
    }
}

fn input(node: &Node<F>, part_of_main: usize) -> Option<Input> {
    match node {
        Node::IsFirstRow => Some(Input::Selector(0)),
        Node::IsTransition => Some(Input::Selector(1)),
        Node::IsLastRow => Some(Input::Selector(2)),
        Node::Variable(SymbolicVariable { entry, index, .. }) => match *entry {
            Entry::Preprocessed { offset } => Some(Input::Column { part: 0, column: *index, next: offset == 1 }),
            Entry::Main { part_index, offset } => {
                Some(Input::Column { part: part_of_main + part_index, column: *index, next: offset == 1 })
            }
            Entry::Public | Entry::Challenge => None,
        },
        _ => None,
    }
}

fn operands(node: &Node<F>) -> impl Iterator<Item = usize> {
    let (left, right) = match node {
        Node::Add { left_idx, right_idx, .. }
        | Node::Sub { left_idx, right_idx, .. }
        | Node::Mul { left_idx, right_idx, .. } => (Some(*left_idx), Some(*right_idx).filter(|i| i != left_idx)),
        Node::Neg { idx, .. } => (Some(*idx), None),
        _ => (None, None),
    };
    left.into_iter().chain(right)
}

/// For each node the last that uses it, the number of nodes for outputs, and none where nothing asked for needs it.
fn last_uses(nodes: &[Node<F>], outputs: &[usize]) -> Vec<Option<usize>> {
    let mut last_uses = vec![None; nodes.len()];
    outputs.iter().for_each(|i| last_uses[*i] = Some(nodes.len()));
    for (i, node) in nodes.iter().enumerate().rev() {
        if last_uses[i].is_some() {
            operands(node).for_each(|operand| last_uses[operand] = last_uses[operand].max(Some(i)));
        }
    }
    last_uses
}

fn degree(nodes: &[Node<F>], outputs: &[usize]) -> usize {
    let mut degrees: Vec<usize> = Vec::with_capacity(nodes.len());
    for node in nodes {
        let of_operands = operands(node).map(|i| degrees[i]);
        degrees.push(match node {
            Node::Variable(SymbolicVariable { entry: Entry::Public | Entry::Challenge, .. }) | Node::Constant(_) => 0,
            Node::Variable(_) | Node::IsFirstRow | Node::IsTransition | Node::IsLastRow => 1,
            Node::Mul { left_idx, right_idx, .. } => degrees[*left_idx] + degrees[*right_idx],
            Node::Add { .. } | Node::Sub { .. } | Node::Neg { .. } => of_operands.max().unwrap_or(0),
        });
    }
    outputs.iter().map(|i| degrees[*i]).max().unwrap_or(0)
}
