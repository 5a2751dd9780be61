//! XPath 1.0 as it is written.

/// The kinds of steps that there are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Axis {
    Child,
    Descendant,
    DescendantOrSelf,
    Itself,
    Parent,
    Ancestor,
    AncestorOrSelf,
    FollowingSibling,
    PrecedingSibling,
    Attribute,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Test {
    Name(String),
    /// `*`: elements, or attributes.
    Any,
    Text,
    /// `node()`.
    Node,
    Comment,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) axis: Axis,
    pub(super) test: Test,
    pub(super) predicates: Vec<Expr>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Operator {
    Or,
    And,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    Plus,
    Minus,
    Times,
    Divide,
    Modulo,
    Union,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expr {
    Number(f64),
    Text(String),
    Negative(Box<Expr>),
    Binary(Operator, Box<Expr>, Box<Expr>),
    Call(String, Vec<Expr>),
    /// From the document's root, or from where it stands.
    Path {
        absolute: bool,
        steps: Vec<Step>,
    },
    /// Of another expression's nodes: those that its predicates leave, and steps from them.
    Filter {
        of: Box<Expr>,
        predicates: Vec<Expr>,
        steps: Vec<Step>,
    },
}

/// By precedence, the loosest first. Of two that begin alike the longer is first.
const OPERATORS: [&[(&str, Operator)]; 6] = [
    &[("or", Operator::Or)],
    &[("and", Operator::And)],
    &[("=", Operator::Equal), ("!=", Operator::NotEqual)],
    &[("<=", Operator::LessEqual), (">=", Operator::GreaterEqual), ("<", Operator::Less), (">", Operator::Greater)],
    &[("+", Operator::Plus), ("-", Operator::Minus)],
    &[("*", Operator::Times), ("div", Operator::Divide), ("mod", Operator::Modulo)],
];

/// Expressions are nested no deeper than this.
const DEPTH_AT_MOST: usize = 100;

/// None: it is no expression, or one with variables or prefixes of names.
pub(super) fn parse(text: &str) -> Option<Expr> {
    let mut reader = Reader { rest: text, depth: 0 };
    let expr = reader.binary(0)?;
    reader.rest.trim_start().is_empty().then_some(expr)
}

struct Reader<'t> {
    rest: &'t str,
    depth: usize,
}

fn is_name_letter(letter: char) -> bool {
    letter.is_alphanumeric() || matches!(letter, '_' | '-' | '.')
}

impl Reader<'_> {
    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, wanted: &str) -> bool {
        self.space();
        let Some(rest) = self.rest.strip_prefix(wanted) else { return false };
        // A word ends where no letter of a name follows.
        let is_word = wanted.chars().all(char::is_alphabetic);
        if is_word && rest.starts_with(is_name_letter) {
            return false;
        }
        self.rest = rest;
        true
    }

    fn name(&mut self) -> Option<String> {
        self.space();
        if !self.rest.starts_with(|letter: char| letter.is_alphabetic() || letter == '_') {
            return None;
        }
        let end = self.rest.find(|letter| !is_name_letter(letter)).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(name.to_owned())
    }

    fn binary(&mut self, level: usize) -> Option<Expr> {
        let Some(operators) = OPERATORS.get(level) else { return self.unary() };
        if level == 0 {
            self.depth += 1;
            if self.depth > DEPTH_AT_MOST {
                return None;
            }
        }
        let mut left = self.binary(level + 1)?;
        while let Some((_, operator)) = operators.iter().find(|(word, _)| self.take(word)) {
            let right = self.binary(level + 1)?;
            left = Expr::Binary(*operator, Box::new(left), Box::new(right));
        }
        if level == 0 {
            self.depth -= 1;
        }
        Some(left)
    }

    fn unary(&mut self) -> Option<Expr> {
        let mut negative = false;
        while self.take("-") {
            negative = !negative;
        }
        let mut left = self.path()?;
        while self.take("|") {
            left = Expr::Binary(Operator::Union, Box::new(left), Box::new(self.path()?));
        }
        Some(if negative { Expr::Negative(Box::new(left)) } else { left })
    }

    fn path(&mut self) -> Option<Expr> {
        if let Some(primary) = self.primary()? {
            let predicates = self.predicates()?;
            let steps = if self.take("//") {
                self.steps(true)?
            } else if self.take("/") {
                self.steps(false)?
            } else {
                Vec::new()
            };
            if predicates.is_empty() && steps.is_empty() {
                return Some(primary);
            }
            return Some(Expr::Filter { of: Box::new(primary), predicates, steps });
        }
        if self.take("//") {
            return Some(Expr::Path { absolute: true, steps: self.steps(true)? });
        }
        if self.take("/") {
            self.space();
            let is_root = !self
                .rest
                .starts_with(|letter: char| letter.is_alphabetic() || matches!(letter, '_' | '*' | '@' | '.'));
            let steps = if is_root { Vec::new() } else { self.steps(false)? };
            return Some(Expr::Path { absolute: true, steps });
        }
        Some(Expr::Path { absolute: false, steps: self.steps(false)? })
    }

    /// A literal, a call or something in parentheses. `None` inside: it is a path.
    #[expect(clippy::option_option, reason = "an error and an absence are two things")]
    fn primary(&mut self) -> Option<Option<Expr>> {
        self.space();
        let first = self.rest.chars().next()?;
        if let quote @ ('\'' | '"') = first {
            let (text, rest) = self.rest[1..].split_once(quote)?;
            self.rest = rest;
            return Some(Some(Expr::Text(text.to_owned())));
        }
        let is_fraction = first == '.' && self.rest[1..].starts_with(|digit: char| digit.is_ascii_digit());
        if first.is_ascii_digit() || is_fraction {
            let end =
                self.rest.find(|letter: char| !letter.is_ascii_digit() && letter != '.').unwrap_or(self.rest.len());
            let (number, rest) = self.rest.split_at_checked(end)?;
            self.rest = rest;
            return Some(Some(Expr::Number(number.parse().ok()?)));
        }
        if self.take("(") {
            let inner = self.binary(0)?;
            return self.take(")").then_some(Some(inner));
        }
        let before = self.rest;
        if let Some(name) = self.name()
            && self.take("(")
            && !matches!(name.as_str(), "text" | "node" | "comment" | "processing-instruction")
        {
            let mut arguments = Vec::new();
            if !self.take(")") {
                loop {
                    arguments.push(self.binary(0)?);
                    if !self.take(",") {
                        self.take(")").then_some(())?;
                        break;
                    }
                }
            }
            return Some(Some(Expr::Call(name, arguments)));
        }
        self.rest = before;
        Some(None)
    }

    fn predicates(&mut self) -> Option<Vec<Expr>> {
        let mut predicates = Vec::new();
        while self.take("[") {
            predicates.push(self.binary(0)?);
            self.take("]").then_some(())?;
        }
        Some(predicates)
    }

    /// Steps between `/` and `//`, which is a step of its own.
    fn steps(&mut self, mut anywhere: bool) -> Option<Vec<Step>> {
        let mut steps = Vec::new();
        loop {
            if anywhere {
                steps.push(Step { axis: Axis::DescendantOrSelf, test: Test::Node, predicates: Vec::new() });
            }
            steps.push(self.step()?);
            if self.take("//") {
                anywhere = true;
            } else if self.take("/") {
                anywhere = false;
            } else {
                return Some(steps);
            }
        }
    }

    fn step(&mut self) -> Option<Step> {
        let plain = |axis| Step { axis, test: Test::Node, predicates: Vec::new() };
        if self.take("..") {
            return Some(plain(Axis::Parent));
        }
        if self.take(".") {
            return Some(plain(Axis::Itself));
        }
        let axis = if self.take("@") { Axis::Attribute } else { self.axis()? };
        let test = self.test()?;
        Some(Step { axis, test, predicates: self.predicates()? })
    }

    fn axis(&mut self) -> Option<Axis> {
        let before = self.rest;
        if let Some(name) = self.name()
            && self.take("::")
        {
            return Some(match name.as_str() {
                "child" => Axis::Child,
                "descendant" => Axis::Descendant,
                "descendant-or-self" => Axis::DescendantOrSelf,
                "self" => Axis::Itself,
                "parent" => Axis::Parent,
                "ancestor" => Axis::Ancestor,
                "ancestor-or-self" => Axis::AncestorOrSelf,
                "following-sibling" => Axis::FollowingSibling,
                "preceding-sibling" => Axis::PrecedingSibling,
                "attribute" => Axis::Attribute,
                _ => return None,
            });
        }
        self.rest = before;
        Some(Axis::Child)
    }

    fn test(&mut self) -> Option<Test> {
        if self.take("*") {
            return Some(Test::Any);
        }
        let name = self.name()?;
        if self.take("(") {
            let test = match name.as_str() {
                "text" => Test::Text,
                "node" => Test::Node,
                "comment" => Test::Comment,
                _ => return None,
            };
            return self.take(")").then_some(test);
        }
        (!self.rest.starts_with(':')).then_some(Test::Name(name))
    }
}
