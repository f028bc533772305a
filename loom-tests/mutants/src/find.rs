//! Where the sources can be broken, and how.
//!
//! All places are found in the syntax tree, so that new code is covered by itself, and each
//! mutation replaces one range of the text, so that the rest of the file stays as it is.
//!
//! There are no types in a syntax tree. What is atomic is known by its orderings, a guard by
//! its underscore, and what a name stands for by how it is declared in the same sources.

use std::collections::HashSet;
use std::fmt;
use std::ops::Range;

use anyhow::{bail, Result};
use proc_macro2::{Delimiter, LineColumn, Span, TokenStream, TokenTree};
use syn::spanned::Spanned;
use syn::visit::{self, Visit};
use syn::{BinOp, Block, Expr, FnArg, Lit, Pat, ReceiverKind, ReturnType, Signature, Stmt, Type};

const ORDERINGS: [&str; 5] = ["Relaxed", "Acquire", "Release", "AcqRel", "SeqCst"];

/// A text that the program can find its way in.
pub(crate) struct Source {
    /// From the repository's root.
    pub(crate) file: String,
    pub(crate) text: String,
    syntax: syn::File,
}

/// One way to break a source.
#[derive(Debug, PartialEq)]
pub(crate) struct Mutant {
    pub(crate) file: String,
    pub(crate) line: usize,
    pub(crate) function: String,
    pub(crate) mutation: String,
    range: Range<usize>,
    replacement: String,
}

impl fmt::Display for Mutant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            file,
            line,
            function,
            mutation,
            ..
        } = self;
        write!(f, "{file}:{line} {function}: {mutation}")
    }
}

impl Mutant {
    /// The source with this mutation in it.
    pub(crate) fn applied_to(&self, text: &str) -> String {
        let Range { start, end } = self.range;
        [&text[..start], &self.replacement, &text[end..]].concat()
    }
}

impl Source {
    pub(crate) fn parse(file: &str, text: String) -> Result<Self> {
        match syn::parse_file(&text) {
            Ok(syntax) => Ok(Self {
                file: file.to_owned(),
                text,
                syntax,
            }),
            Err(error) => bail!("{file}:{}: {error}", error.span().start().line),
        }
    }

    /// The line of the first memory ordering in it, other than by import.
    ///
    /// An error, if there is one that the program would not see.
    pub(crate) fn first_ordering(&self) -> Result<Option<usize>> {
        let mut orderings = Orderings::default();
        orderings.visit_file(&self.syntax);
        match orderings.hidden {
            Some((line, why)) => bail!("{}:{line}: {why}", self.file),
            None => Ok(orderings.first),
        }
    }
}

/// All mutants of `sources`, in the order of the text.
pub(crate) fn mutants(sources: &[Source]) -> Vec<Mutant> {
    let mut declared = Declared::default();
    for source in sources {
        declared.visit_file(&source.syntax);
    }
    let mut all = vec![];
    for source in sources {
        let mut finder = Finder {
            source,
            declared: &declared,
            self_type: None,
            function: String::new(),
            passed: vec![],
            mutants: vec![],
        };
        finder.visit_file(&source.syntax);
        let mut mutants = finder.mutants;
        mutants.sort_by_key(|mutant| (mutant.range.start, mutant.range.end));
        // A condition may also be a look.
        let mut seen = HashSet::new();
        mutants.retain(|mutant| seen.insert((mutant.range.clone(), mutant.replacement.clone())));
        all.extend(mutants);
    }
    all
}

fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute
                    .parse_args::<syn::Path>()
                    .is_ok_and(|flag| flag.is_ident("test"))
    })
}

/// `Ordering::X`, with or without the path to it: the `X`.
fn ordering(path: &syn::Path) -> Option<&syn::Ident> {
    let mut backwards = path.segments.iter().rev();
    let variant = &backwards.next()?.ident;
    let of = &backwards.next()?.ident;
    (of == "Ordering" && ORDERINGS.iter().any(|name| variant == name)).then_some(variant)
}

#[derive(Default)]
struct Orderings {
    first: Option<usize>,
    hidden: Option<(usize, &'static str)>,
}

impl Orderings {
    fn look_into(&mut self, tokens: TokenStream) {
        for token in tokens {
            match token {
                TokenTree::Group(group) => self.look_into(group.stream()),
                TokenTree::Ident(name) if ORDERINGS.iter().any(|known| name == known) => {
                    let line = name.span().start().line;
                    self.hidden = Some((line, "no ordering in a macro: it could not be weakened"));
                }
                _ => {}
            }
        }
    }
}

impl<'a> Visit<'a> for Orderings {
    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_use_path(&mut self, path: &'a syn::UsePath) {
        if path.ident == "Ordering" {
            let line = path.span().start().line;
            self.hidden = Some((line, "import `Ordering`, not what is in it"));
        }
        visit::visit_use_path(self, path);
    }

    fn visit_macro(&mut self, call: &'a syn::Macro) {
        self.look_into(call.tokens.clone());
    }

    fn visit_expr_path(&mut self, path: &'a syn::ExprPath) {
        if let Some(ordering) = ordering(&path.path) {
            self.first.get_or_insert(ordering.span().start().line);
        }
    }
}

/// What a name stands for, in all sources.
#[derive(Default)]
struct Declared {
    /// The methods of `&self` that answer yes or no.
    looks: HashSet<String>,
    /// The types that do something when they are dropped.
    guards: HashSet<String>,
    /// Functions, and the names in the type that they return.
    returned: Vec<(String, Names)>,
}

impl Declared {
    fn is_guard(&self, call: &Expr) -> bool {
        let Expr::MethodCall(call) = call else {
            return false;
        };
        let mut returned = self.returned.iter();
        returned.any(|(name, of)| call.method == name && !of.0.is_disjoint(&self.guards))
    }
}

impl<'a> Visit<'a> for Declared {
    fn visit_item_impl(&mut self, block: &'a syn::ItemImpl) {
        if let (Some((of, _)), Type::Path(path)) = (&block.trait_, &*block.self_ty) {
            if of.is_ident("Drop") {
                let guard = path.path.segments.last();
                self.guards.extend(guard.map(|last| last.ident.to_string()));
            }
        }
        visit::visit_item_impl(self, block);
    }

    fn visit_signature(&mut self, signature: &'a Signature) {
        let name = signature.ident.to_string();
        let mut returned = Names::default();
        returned.visit_return_type(&signature.output);
        self.returned.push((name.clone(), returned));
        let receiver = signature.receiver().map(|receiver| &receiver.kind);
        let by_reference = matches!(receiver, Some(ReceiverKind::Reference(_, _, None)));
        if by_reference && answers_bool(signature) {
            self.looks.insert(name);
        }
    }
}

#[derive(Default)]
struct Names(HashSet<String>);

impl<'a> Visit<'a> for Names {
    fn visit_ident(&mut self, name: &'a syn::Ident) {
        self.0.insert(name.to_string());
    }
}

fn answers_bool(signature: &Signature) -> bool {
    match &signature.output {
        ReturnType::Type(_, answer) => {
            matches!(&**answer, Type::Path(answer) if answer.path.is_ident("bool"))
        }
        ReturnType::Default => false,
    }
}

/// What an operation does, as far as its ordering is concerned.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Access {
    Load,
    Store,
    Both,
    Fence,
}

impl Access {
    /// Of the argument at `index` of `arguments` of an atomic's `method`.
    fn of(method: &str, index: usize, arguments: usize) -> Self {
        match method {
            "load" => Access::Load,
            "store" => Access::Store,
            // What a failed exchange does.
            "compare_exchange" | "compare_exchange_weak" if index + 1 == arguments => Access::Load,
            "fetch_update" if index == 1 => Access::Load,
            _ => Access::Both,
        }
    }

    /// One step weaker, in every direction.
    fn weaker(self, ordering: &str) -> &'static [&'static str] {
        match (ordering, self) {
            ("SeqCst", Access::Load) => &["Acquire"],
            ("SeqCst", Access::Store) => &["Release"],
            ("SeqCst", _) => &["AcqRel"],
            ("AcqRel", _) => &["Acquire", "Release"],
            // That is no fence. It is dropped.
            (_, Access::Fence) => &[],
            ("Acquire" | "Release", _) => &["Relaxed"],
            _ => &[],
        }
    }
}

struct Finder<'a> {
    source: &'a Source,
    declared: &'a Declared,
    self_type: Option<String>,
    function: String,
    /// Parameters of the function that are orderings, and `Ordering` as it is written there.
    passed: Vec<(String, String)>,
    mutants: Vec<Mutant>,
}

impl Finder<'_> {
    fn text(&self, range: Range<usize>) -> &str {
        &self.source.text[range]
    }

    fn of(&self, node: &impl Spanned) -> &str {
        self.text(node.span().byte_range())
    }

    fn add(&mut self, place: Span, range: Range<usize>, replacement: String, mutation: String) {
        self.mutants.push(Mutant {
            file: self.source.file.clone(),
            line: place.start().line,
            function: self.function.clone(),
            mutation,
            range,
            replacement,
        });
    }

    fn replace(&mut self, node: &impl Spanned, replacement: String, what: &str) {
        let span = node.span();
        let mutation = format!("{what}: {}", in_one_line(self.of(node)));
        self.add(span, span.byte_range(), replacement, mutation);
    }

    fn weaken(&mut self, ordering: &syn::Ident, access: Access, inside: &impl Spanned) {
        for weaker in access.weaker(&ordering.to_string()) {
            let mutation = format!("{ordering} -> {weaker}: {}", in_one_line(self.of(inside)));
            let span = ordering.span();
            self.add(span, span.byte_range(), (*weaker).to_owned(), mutation);
        }
    }

    /// An argument of a call: an ordering, or one that is passed on, or else what there is in
    /// it.
    fn argument(&mut self, argument: &Expr, access: Access, call: &impl Spanned) {
        let Expr::Path(path) = argument else {
            return self.visit_expr(argument);
        };
        if let Some(ordering) = ordering(&path.path) {
            self.weaken(ordering, access, call);
        } else if let Some((name, of)) = self.passed_on(argument) {
            let mutation = format!("{name} -> Relaxed: {}", in_one_line(self.of(call)));
            let span = argument.span();
            self.add(span, span.byte_range(), format!("{of}::Relaxed"), mutation);
        }
    }

    fn passed_on(&self, argument: &Expr) -> Option<(String, String)> {
        let Expr::Path(path) = argument else {
            return None;
        };
        let passed = |(name, _): &&(String, String)| path.path.is_ident(name);
        self.passed.iter().find(passed).cloned()
    }

    /// Whether it is a call of an atomic, as its orderings tell.
    fn is_atomic(&self, call: &syn::ExprMethodCall) -> bool {
        call.args.iter().any(|argument| {
            matches!(argument, Expr::Path(path) if ordering(&path.path).is_some())
                || self.passed_on(argument).is_some()
        })
    }

    /// Answers `answer`, whatever it comes to.
    fn force(&mut self, condition: &Expr, answer: bool) {
        let replacement = format!("({}, {answer}).1", self.of(condition));
        self.replace(condition, replacement, &answer.to_string());
    }

    fn condition(&mut self, condition: &Expr) {
        if !binds(condition) {
            self.force(condition, true);
            self.force(condition, false);
        }
    }

    /// What a function that returns `bool` ends with.
    fn answer(&mut self, answer: &Expr) {
        match answer {
            Expr::Lit(literal) => {
                if let Lit::Bool(told) = &literal.lit {
                    self.replace(answer, (!told.value).to_string(), "answers the opposite");
                }
            }
            Expr::Block(block) => self.answer_of(&block.block),
            Expr::Unsafe(block) => self.answer_of(&block.block),
            Expr::If(choice) => {
                self.answer_of(&choice.then_branch);
                if let Some((_, otherwise)) = &choice.else_branch {
                    self.answer(otherwise);
                }
            }
            Expr::Match(choice) => {
                for arm in &choice.arms {
                    self.answer(&arm.body);
                }
            }
            // Found where they are.
            Expr::Return(_) | Expr::Loop(_) => {}
            _ => self.condition(answer),
        }
    }

    fn answer_of(&mut self, block: &Block) {
        if let Some(Stmt::Expr(answer, None)) = block.stmts.last() {
            self.answer(answer);
        }
    }

    fn function(&mut self, signature: &Signature, block: &Block) {
        let name = match &self.self_type {
            Some(of) => format!("{of}::{}", signature.ident),
            None => signature.ident.to_string(),
        };
        let passed = signature.inputs.iter().filter_map(|input| {
            let FnArg::Typed(input) = input else {
                return None;
            };
            match (&*input.pat, &*input.ty) {
                (Pat::Ident(name), Type::Path(path))
                    if path.path.segments.last()?.ident == "Ordering" =>
                {
                    Some((name.ident.to_string(), self.of(path).to_owned()))
                }
                _ => None,
            }
        });
        let passed = passed.collect();
        let outer = (
            std::mem::replace(&mut self.function, name),
            std::mem::replace(&mut self.passed, passed),
        );
        if answers_bool(signature) {
            self.answer_of(block);
            Returns(&mut |answer| self.answer(answer)).visit_block(block);
        }
        self.visit_block(block);
        (self.function, self.passed) = outer;
    }

    /// A guard that ends before it is used. What it says it goes on saying.
    fn guard_in(&mut self, bound: &syn::ExprLet, block: &Block) {
        let Pat::TupleStruct(some) = &*bound.pat else {
            return;
        };
        let (Some(Pat::Ident(guard)), true) =
            (some.elems.first(), self.declared.is_guard(&bound.expr))
        else {
            return;
        };
        let mutation = format!("a guard dropped at once: {}", in_one_line(self.of(bound)));
        let begin = block.brace_token.span.open().byte_range().end;
        self.add(bound.span(), begin..begin, ended(guard), mutation);
    }

    /// The same of one that a statement binds.
    fn guard_bound(&mut self, local: &syn::Local) {
        let Some(init) = &local.init else {
            return;
        };
        let pattern = match &local.pat {
            Pat::TupleStruct(some) => some.elems.first(),
            pattern => Some(pattern),
        };
        let (Some(Pat::Ident(guard)), true) = (pattern, self.declared.is_guard(&init.expr)) else {
            return;
        };
        let bound = in_one_line(self.of(&init.expr));
        let mutation = format!("a guard dropped at once: let {} = {bound}", guard.ident);
        let end = local.span().byte_range().end;
        self.add(local.span(), end..end, ended(guard), mutation);
    }

    /// A fence that comes too late, by one statement.
    fn fence_after(&mut self, fence: &Stmt, next: &Stmt, next_is_last: bool) {
        let (here, there) = (fence.span().byte_range(), next.span().byte_range());
        let between = self.text(here.end..there.start);
        let (fence_text, next_text) = (self.of(fence), self.of(next));
        let replacement = match next {
            Stmt::Expr(_, None) if next_is_last => {
                format!("let mutant_last = {next_text};{between}{fence_text} mutant_last")
            }
            _ => format!("{next_text}{between}{fence_text}"),
        };
        let mutation = format!("a statement late: {}", in_one_line(fence_text));
        self.add(fence.span(), here.start..there.end, replacement, mutation);
    }

    fn exchange(&mut self, call: &syn::ExprMethodCall) {
        let text = self.of(call);
        let believed = format!(
            "(match {text} {{ Ok(found) | Err(found) => if true {{ Ok(found) }} else {{ Err(found) }} }})"
        );
        let (receiver, method) = (self.of(&call.receiver), &call.method);
        let [current, new, success, failure] =
            [0, 1, 2, 3].map(|argument| self.of(&call.args[argument]));
        // By exchanges, since not every atomic of every shim has a `swap`.
        let unchecked = format!(
            "({{ let (mut mutant_was, mutant_new) = ({current}, {new}); loop {{ \
             match {receiver}.{method}(mutant_was, mutant_new, {success}, {failure}) {{ \
             Err(now) => mutant_was = now, swapped => break swapped }} }} }})"
        );
        self.replace(call, believed, "believed if it fails");
        self.replace(call, unchecked, "over whatever is there");
    }

    /// A read-modify-write in two steps.
    fn tear(&mut self, call: &syn::ExprMethodCall) {
        let (Some(value), Some(Expr::Path(path))) = (call.args.first(), call.args.last()) else {
            return;
        };
        let Some(ordering) = ordering(&path.path) else {
            return;
        };
        let (load, store) = match ordering.to_string().as_str() {
            "Acquire" => ("Acquire", "Relaxed"),
            "Release" => ("Relaxed", "Release"),
            "Relaxed" => ("Relaxed", "Relaxed"),
            _ => ("Acquire", "Release"),
        };
        let (receiver, value) = (self.of(&call.receiver), self.of(value));
        let new = match call.method.to_string().as_str() {
            "swap" => value.to_owned(),
            "fetch_add" => format!("mutant_was.wrapping_add({value})"),
            "fetch_sub" => format!("mutant_was.wrapping_sub({value})"),
            "fetch_and" => format!("mutant_was & ({value})"),
            "fetch_or" => format!("mutant_was | ({value})"),
            "fetch_xor" => format!("mutant_was ^ ({value})"),
            "fetch_max" => format!("mutant_was.max({value})"),
            "fetch_min" => format!("mutant_was.min({value})"),
            _ => return,
        };
        let path = self.of(path);
        let of = path.strip_suffix(&ordering.to_string()).unwrap_or(path);
        let torn = format!(
            "({{ let mutant_was = {receiver}.load({of}{load}); \
             {receiver}.store({new}, {of}{store}); mutant_was }})"
        );
        self.replace(call, torn, "in two steps");
    }
}

impl<'a> Visit<'a> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'a syn::ItemMod) {
        if !is_test(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_impl(&mut self, block: &'a syn::ItemImpl) {
        let name = match &*block.self_ty {
            Type::Path(path) => path.path.segments.last().map(|last| last.ident.to_string()),
            _ => None,
        };
        let outer = std::mem::replace(&mut self.self_type, name);
        visit::visit_item_impl(self, block);
        self.self_type = outer;
    }

    fn visit_item_trait(&mut self, item: &'a syn::ItemTrait) {
        let outer = self.self_type.replace(item.ident.to_string());
        visit::visit_item_trait(self, item);
        self.self_type = outer;
    }

    fn visit_item_fn(&mut self, function: &'a syn::ItemFn) {
        if !is_test(&function.attrs) {
            self.function(&function.sig, &function.block);
        }
    }

    fn visit_impl_item_fn(&mut self, function: &'a syn::ImplItemFn) {
        if !is_test(&function.attrs) {
            self.function(&function.sig, &function.block);
        }
    }

    fn visit_trait_item_fn(&mut self, function: &'a syn::TraitItemFn) {
        if let Some(block) = &function.default {
            self.function(&function.sig, block);
        }
    }

    // What is known when the crate is compiled has no interleavings.
    fn visit_item_const(&mut self, _: &'a syn::ItemConst) {}
    fn visit_impl_item_const(&mut self, _: &'a syn::ImplItemConst) {}
    fn visit_type(&mut self, _: &'a Type) {}

    // What is matched against is not executed, but for the guard.
    fn visit_pat(&mut self, pattern: &'a Pat) {
        if let Pat::Guard(guarded) = pattern {
            self.condition(&guarded.guard);
            self.visit_expr(&guarded.guard);
        }
    }

    fn visit_block(&mut self, block: &'a Block) {
        for (index, statement) in block.stmts.iter().enumerate() {
            match statement {
                Stmt::Expr(Expr::Call(call), Some(_)) if is_fence(call) => {
                    if let Some(next) = block.stmts.get(index + 1) {
                        self.fence_after(statement, next, index + 2 == block.stmts.len());
                    }
                }
                Stmt::Expr(Expr::MethodCall(call), Some(_))
                    if self.is_atomic(call) && writes(&call.method.to_string()) =>
                {
                    self.replace(call, "()".to_owned(), "dropped");
                }
                Stmt::Local(local) => self.guard_bound(local),
                Stmt::Expr(Expr::Assign(assign), Some(_)) => {
                    let replacement = format!("let _ = {}", self.of(&assign.right));
                    self.replace(assign, replacement, "not assigned");
                }
                _ => {}
            }
        }
        visit::visit_block(self, block);
    }

    fn visit_local(&mut self, local: &'a syn::Local) {
        if let (Pat::Ident(guard), Some(_)) = (&local.pat, &local.init) {
            if guard.ident.to_string().starts_with('_') {
                self.replace(guard, "_".to_owned(), "a guard dropped at once");
            }
        }
        visit::visit_local(self, local);
    }

    fn visit_expr_struct(&mut self, literal: &'a syn::ExprStruct) {
        for field in &literal.fields {
            if let Expr::Call(some) = &field.expr {
                if matches!(&*some.func, Expr::Path(path) if path.path.is_ident("Some")) {
                    let replacement = format!("{{ drop({}); None }}", self.of(&some.args));
                    let name = match &field.member {
                        syn::Member::Named(name) => name.to_string(),
                        syn::Member::Unnamed(index) => index.index.to_string(),
                    };
                    self.replace(some, replacement, &format!("{name} not kept"));
                }
            }
        }
        visit::visit_expr_struct(self, literal);
    }

    fn visit_expr_path(&mut self, path: &'a syn::ExprPath) {
        if let Some(ordering) = ordering(&path.path) {
            self.weaken(ordering, Access::Both, path);
        }
    }

    fn visit_expr_call(&mut self, call: &'a syn::ExprCall) {
        let fence = is_fence(call);
        if fence {
            self.replace(call, "()".to_owned(), "dropped");
        }
        if is_from_bool(call) {
            self.condition(&call.args[0]);
        }
        self.visit_expr(&call.func);
        let access = if fence { Access::Fence } else { Access::Both };
        for argument in &call.args {
            self.argument(argument, access, call);
        }
    }

    fn visit_expr_method_call(&mut self, call: &'a syn::ExprMethodCall) {
        let method = call.method.to_string();
        if self.is_atomic(call) {
            match method.as_str() {
                "store" => self.replace(call, "()".to_owned(), "dropped"),
                "compare_exchange" | "compare_exchange_weak" if call.args.len() == 4 => {
                    self.exchange(call);
                }
                _ => self.tear(call),
            }
        }
        if method == "wrapping_add" && call.args.first().is_some_and(is_one) {
            self.replace(call, self.of(&call.receiver).to_owned(), "not done");
        }
        if self.declared.looks.contains(&method) {
            let replacement = format!("({}, true).1", self.of(call));
            self.replace(call, replacement, "true");
        }
        self.visit_expr(&call.receiver);
        for (index, argument) in call.args.iter().enumerate() {
            let access = Access::of(&method, index, call.args.len());
            self.argument(argument, access, call);
        }
    }

    fn visit_expr_if(&mut self, choice: &'a syn::ExprIf) {
        self.condition(&choice.cond);
        if let Expr::Let(bound) = &*choice.cond {
            self.guard_in(bound, &choice.then_branch);
        }
        visit::visit_expr_if(self, choice);
    }

    fn visit_expr_while(&mut self, repeat: &'a syn::ExprWhile) {
        self.condition(&repeat.cond);
        visit::visit_expr_while(self, repeat);
    }

    fn visit_expr_binary(&mut self, sum: &'a syn::ExprBinary) {
        let counts = matches!(sum.op, BinOp::Add(_)) && is_one(&sum.right);
        if counts || matches!(sum.op, BinOp::BitXor(_)) {
            self.replace(sum, self.of(&sum.left).to_owned(), "not done");
        }
        visit::visit_expr_binary(self, sum);
    }
}

/// The expressions that a function returns before its end.
struct Returns<'f>(&'f mut dyn FnMut(&Expr));

impl<'a> Visit<'a> for Returns<'_> {
    fn visit_expr_return(&mut self, early: &'a syn::ExprReturn) {
        if let Some(answer) = &early.expr {
            (self.0)(answer);
        }
        visit::visit_expr_return(self, early);
    }

    fn visit_expr_closure(&mut self, _: &'a syn::ExprClosure) {}
    fn visit_item(&mut self, _: &'a syn::Item) {}
}

fn is_fence(call: &syn::ExprCall) -> bool {
    matches!(&*call.func, Expr::Path(path)
        if path.path.segments.last().is_some_and(|last| last.ident == "fence"))
}

/// Ends a guard, and keeps what it says.
fn ended(guard: &syn::PatIdent) -> String {
    let (name, mutability) = (&guard.ident, guard.mutability.map_or("", |_| "mut "));
    format!(
        " let {mutability}{name} = {{ let mutant_copy = std::mem::ManuallyDrop::new(\
         unsafe {{ std::ptr::read(&{name}) }}); drop({name}); mutant_copy }};"
    )
}

/// A number made of a condition: 0 or 1.
fn is_from_bool(call: &syn::ExprCall) -> bool {
    let Expr::Path(path) = &*call.func else {
        return false;
    };
    let mut backwards = path.path.segments.iter().rev().map(|part| &part.ident);
    let from = backwards.next().is_some_and(|name| name == "from");
    let of_integer = backwards
        .next()
        .is_some_and(|name| name == "usize" || name == "u64");
    from && of_integer && matches!(call.args.first(), Some(Expr::Binary(_)))
}

/// Whether an atomic's method writes, where its answer is of no use. `store` is found
/// wherever it stands, and an exchange whose answer is thrown away is broken as any other.
fn writes(method: &str) -> bool {
    method == "swap" || method.starts_with("fetch_")
}

/// Whether it is 1, where it counts from the first bit or from another one.
fn is_one(number: &Expr) -> bool {
    match number {
        Expr::Lit(one) => matches!(&one.lit, Lit::Int(one) if one.base10_digits() == "1"),
        Expr::Binary(shift) => matches!(shift.op, BinOp::Shl(_)) && is_one(&shift.left),
        Expr::Paren(inner) => is_one(&inner.expr),
        _ => false,
    }
}

/// Whether it has a `let` in it, and so names that are used if it holds.
fn binds(condition: &Expr) -> bool {
    match condition {
        Expr::Let(_) => true,
        Expr::Binary(both) => binds(&both.left) || binds(&both.right),
        Expr::Paren(inner) => binds(&inner.expr),
        _ => false,
    }
}

/// Source text without its comments and line ends, and not too long.
fn in_one_line(text: &str) -> String {
    const MOST: usize = 90;
    let mut line = Line::default();
    line.append(text.parse().expect("it was parsed in its file"));
    let line = line.text.replace(",)", ")");
    match line.char_indices().nth(MOST) {
        Some((cut, _)) => format!("{}...", &line[..cut]),
        None => line,
    }
}

#[derive(Default)]
struct Line {
    text: String,
    end: Option<LineColumn>,
}

impl Line {
    fn append(&mut self, tokens: TokenStream) {
        for token in tokens {
            let TokenTree::Group(group) = &token else {
                self.push(&token.to_string(), token.span());
                continue;
            };
            let (open, close) = match group.delimiter() {
                Delimiter::Parenthesis => ("(", ")"),
                Delimiter::Brace => ("{", "}"),
                Delimiter::Bracket => ("[", "]"),
                Delimiter::None => ("", ""),
            };
            self.push(open, group.span_open());
            self.append(group.stream());
            self.push(close, group.span_close());
        }
    }

    /// With a space before it where there is one in the source, unless that is where a chain
    /// of calls or a list of arguments goes over several lines.
    fn push(&mut self, token: &str, span: Span) {
        let apart = self.end.is_some_and(|end| end != span.start());
        let begins = self.text.ends_with(['(', '[', '.']);
        if apart && !begins && !token.starts_with([')', ']', '.', '?']) {
            self.text.push(' ');
        }
        self.text += token;
        self.end = Some(span.end());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is done to `text`, and what it is then.
    fn found(text: &str) -> Vec<(String, String)> {
        let source = Source::parse("src/a.rs", text.to_owned()).unwrap();
        let mutants = mutants(&[source]);
        let change = |mutant: &Mutant| {
            let applied = mutant.applied_to(text);
            syn::parse_file(&applied).unwrap_or_else(|error| panic!("{error} in {applied}"));
            let what = mutant.mutation.split(": ").next().unwrap();
            (what.to_owned(), applied)
        };
        mutants.iter().map(change).collect()
    }

    #[track_caller]
    fn assert_found(text: &str, expected: &[(&str, &str)]) {
        let found = found(text);
        let found: Vec<_> = found
            .iter()
            .map(|(a, b)| (a.as_str(), b.as_str()))
            .collect();
        assert_eq!(found, expected);
    }

    #[test]
    fn orderings_are_weakened_one_step_in_every_direction() {
        assert_found(
            "fn f() -> u8 { a.swap(1, Ordering::AcqRel) }",
            &[
                (
                    "in two steps",
                    "fn f() -> u8 { ({ let mutant_was = a.load(Ordering::Acquire); \
                     a.store(1, Ordering::Release); mutant_was }) }",
                ),
                (
                    "AcqRel -> Acquire",
                    "fn f() -> u8 { a.swap(1, Ordering::Acquire) }",
                ),
                (
                    "AcqRel -> Release",
                    "fn f() -> u8 { a.swap(1, Ordering::Release) }",
                ),
            ],
        );
        assert_found(
            "fn f() -> u8 { a.load(atomic::Ordering::SeqCst) }",
            &[(
                "SeqCst -> Acquire",
                "fn f() -> u8 { a.load(atomic::Ordering::Acquire) }",
            )],
        );
        assert_found(
            "fn f() { self.pair(7, Ordering::Acquire) }",
            &[(
                "Acquire -> Relaxed",
                "fn f() { self.pair(7, Ordering::Relaxed) }",
            )],
        );
        assert_found(
            "fn f() { let o = Ordering::Release; a.load(Ordering::Relaxed); x.cmp(y) == Ordering::Less; }",
            &[(
                "Release -> Relaxed",
                "fn f() { let o = Ordering::Relaxed; a.load(Ordering::Relaxed); x.cmp(y) == Ordering::Less; }",
            )],
        );
    }

    #[test]
    fn what_a_failed_exchange_does_is_a_load() {
        assert_eq!(Access::of("compare_exchange", 3, 4), Access::Load);
        assert_eq!(Access::of("compare_exchange", 2, 4), Access::Both);
        assert_eq!(Access::Load.weaker("SeqCst"), ["Acquire"]);
        assert_eq!(Access::Store.weaker("SeqCst"), ["Release"]);
        assert_eq!(Access::Both.weaker("SeqCst"), ["AcqRel"]);
    }

    #[test]
    fn an_ordering_that_is_passed_on_is_weakened_there() {
        assert_found(
            "fn f(order: atomic::Ordering, n: u8) { g(order, n) }",
            &[(
                "order -> Relaxed",
                "fn f(order: atomic::Ordering, n: u8) { g(atomic::Ordering::Relaxed, n) }",
            )],
        );
    }

    #[test]
    fn fences_are_dropped_and_come_late_but_are_never_relaxed() {
        assert_found(
            "fn f() { fence(Ordering::Acquire); // why\n let é = 1; g() }",
            &[
                ("dropped", "fn f() { (); // why\n let é = 1; g() }"),
                (
                    "a statement late",
                    "fn f() { let é = 1; // why\n fence(Ordering::Acquire); g() }",
                ),
            ],
        );
        assert_found(
            "fn é() { fence(Ordering::AcqRel); g() }",
            &[
                ("dropped", "fn é() { (); g() }"),
                (
                    "a statement late",
                    "fn é() { let mutant_last = g(); fence(Ordering::AcqRel); mutant_last }",
                ),
                (
                    "AcqRel -> Acquire",
                    "fn é() { fence(Ordering::Acquire); g() }",
                ),
                (
                    "AcqRel -> Release",
                    "fn é() { fence(Ordering::Release); g() }",
                ),
            ],
        );
    }

    #[test]
    fn exchanges_are_believed_and_write_over_what_is_there() {
        assert_found(
            "fn f() { a\n.compare_exchange(1, n, Ordering::Relaxed, Ordering::Relaxed,) }",
            &[
                (
                    "believed if it fails",
                    "fn f() { (match a\n.compare_exchange(1, n, Ordering::Relaxed, Ordering::Relaxed,) \
                     { Ok(found) | Err(found) => if true { Ok(found) } else { Err(found) } }) }",
                ),
                (
                    "over whatever is there",
                    "fn f() { ({ let (mut mutant_was, mutant_new) = (1, n); loop { \
                     match a.compare_exchange(mutant_was, mutant_new, Ordering::Relaxed, \
                     Ordering::Relaxed) { Err(now) => mutant_was = now, \
                     swapped => break swapped } } }) }",
                ),
            ],
        );
    }

    #[test]
    fn stores_are_dropped_and_updates_too_where_they_only_write() {
        assert_found(
            "fn f() { match n { 0 => a.store(1, Ordering::Relaxed), _ => b.store(1) } }",
            &[("dropped", "fn f() { match n { 0 => (), _ => b.store(1) } }")],
        );
        let found = found(
            "fn f() -> u8 { a.fetch_or(1, Ordering::Relaxed); a.fetch_or(2, Ordering::Relaxed) }",
        );
        let what: Vec<_> = found.iter().map(|(what, _)| what.as_str()).collect();
        assert_eq!(what, ["dropped", "in two steps", "in two steps"]);
    }

    #[test]
    fn conditions_hold_and_do_not_but_are_evaluated() {
        assert_found(
            "fn f() { if a() {} }",
            &[
                ("true", "fn f() { if (a(), true).1 {} }"),
                ("false", "fn f() { if (a(), false).1 {} }"),
            ],
        );
        assert_found(
            "fn f() { match a { 1 if b => 2, _ => 3 } }",
            &[
                (
                    "true",
                    "fn f() { match a { 1 if (b, true).1 => 2, _ => 3 } }",
                ),
                (
                    "false",
                    "fn f() { match a { 1 if (b, false).1 => 2, _ => 3 } }",
                ),
            ],
        );
        assert_found(
            "fn f() { if let Some(b) = a {} while let Some(b) = a {} }",
            &[],
        );
    }

    #[test]
    fn answers_are_the_opposite() {
        assert_found(
            "fn f() -> bool { g(); a == b }",
            &[
                ("true", "fn f() -> bool { g(); (a == b, true).1 }"),
                ("false", "fn f() -> bool { g(); (a == b, false).1 }"),
            ],
        );
        assert_found(
            "fn f() -> bool { match a { 1 => { return true; } _ => false } }",
            &[
                (
                    "answers the opposite",
                    "fn f() -> bool { match a { 1 => { return false; } _ => false } }",
                ),
                (
                    "answers the opposite",
                    "fn f() -> bool { match a { 1 => { return true; } _ => true } }",
                ),
            ],
        );
        assert_found("fn f() -> u8 { let a = |b| { return true; }; 1 }", &[]);
    }

    #[test]
    fn a_second_look_finds_what_it_hopes_for() {
        assert_found(
            "trait A { fn unmoved(&self) -> bool; fn set(&mut self) -> bool; } \
             fn f() { let a = b && c.unmoved() && c.set(); }",
            &[(
                "true",
                "trait A { fn unmoved(&self) -> bool; fn set(&mut self) -> bool; } \
                 fn f() { let a = b && (c.unmoved(), true).1 && c.set(); }",
            )],
        );
        // Found as a condition and as a look.
        assert_eq!(
            found("impl A { fn is(&self) -> bool {} fn f() { if a.is() {} } }").len(),
            2
        );
    }

    #[test]
    fn guards_end_at_once() {
        assert_found(
            "fn f() { let _claim = claim(); let _ = 1; let a = A { claim: Some(b), c: Some }; }",
            &[
                (
                    "a guard dropped at once",
                    "fn f() { let _ = claim(); let _ = 1; let a = A { claim: Some(b), c: Some }; }",
                ),
                (
                    "claim not kept",
                    "fn f() { let _claim = claim(); let _ = 1; \
                     let a = A { claim: { drop(b); None }, c: Some }; }",
                ),
            ],
        );
    }

    #[test]
    fn a_guard_ends_where_it_is_bound() {
        let declared = "impl Drop for G<'_> {} trait T { fn take(&self) -> Option<G<'_>>; }";
        let ended = "let g = { let mutant_copy = std::mem::ManuallyDrop::new(\
                     unsafe { std::ptr::read(&g) }); drop(g); mutant_copy };";
        assert_found(
            &format!("{declared} fn f() {{ if let Some(g) = a.take() {{ g.get(); }} }}"),
            &[(
                "a guard dropped at once",
                &format!(
                    "{declared} fn f() {{ if let Some(g) = a.take() {{ {ended} g.get(); }} }}"
                ),
            )],
        );
        assert_found(
            &format!("{declared} fn f() {{ if let Some(g) = a.other() {{ g.get(); }} }}"),
            &[],
        );
    }

    #[test]
    fn the_other_slot_and_the_next_version_are_these() {
        assert_found(
            "fn f() { (a + (1 << B)) ^ 1 + 2 }",
            &[
                ("not done", "fn f() { (a + (1 << B)) }"),
                ("not done", "fn f() { (a) ^ 1 + 2 }"),
            ],
        );
        assert_found(
            "fn f() { a.wrapping_add(1 << B); a.wrapping_add(b); a.saturating_add(1) }",
            &[(
                "not done",
                "fn f() { a; a.wrapping_add(b); a.saturating_add(1) }",
            )],
        );
    }

    #[test]
    fn tests_and_constants_are_left_alone() {
        assert_found(
            "const A: usize = B + 1; struct C([u8; A + 1]); \
             #[cfg(test)] mod tests { fn f() { fence(Ordering::Acquire); } } \
             #[test] fn g() { a.load(Ordering::Acquire); } \
             impl C { #[cfg(test)] fn h() { if a {} } const D: usize = A + 1; }",
            &[],
        );
    }

    #[test]
    fn a_mutant_says_where_it_is() {
        let text =
            "impl<T> Drop for a::B<T> {\n fn drop(&mut self) {\n  self.0 // why\n   .store(\n \
                    f(1), Ordering::Release,\n );\n }\n}\nfn f() { fence(Ordering::Acquire) }";
        let source = Source::parse("src/a.rs", text.to_owned()).unwrap();
        let found: Vec<_> = mutants(&[source]).iter().map(Mutant::to_string).collect();
        assert_eq!(
            found,
            [
                "src/a.rs:3 B::drop: dropped: self.0.store(f(1), Ordering::Release)",
                "src/a.rs:5 B::drop: Release -> Relaxed: self.0.store(f(1), Ordering::Release)",
                "src/a.rs:9 f: dropped: fence(Ordering::Acquire)",
            ]
        );
    }

    #[test]
    fn orderings_that_could_not_be_weakened_are_errors() {
        let first = |text: &str| {
            let source = Source::parse("src/a.rs", text.to_owned()).unwrap();
            source.first_ordering().map_err(|error| error.to_string())
        };
        assert_eq!(
            first("use std::sync::atomic::Ordering;\nfn f() {}"),
            Ok(None)
        );
        assert_eq!(first("fn f() { x.cmp(y) == Ordering::Less }"), Ok(None));
        assert_eq!(first("\nfn f() { a.load(Ordering::Relaxed) }"), Ok(Some(2)));
        assert_eq!(
            first("\nuse std::sync::atomic::Ordering::*;"),
            Err("src/a.rs:2: import `Ordering`, not what is in it".to_owned())
        );
        assert_eq!(
            first("\n\nfn f() { assert!((a.load(Ordering::Acquire))) }"),
            Err("src/a.rs:3: no ordering in a macro: it could not be weakened".to_owned())
        );
        assert_eq!(
            first("#[cfg(test)] mod t { fn f() { m!(Ordering::Acquire) } }"),
            Ok(None)
        );
    }
}
