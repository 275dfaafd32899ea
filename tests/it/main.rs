//! What a user can see of Vultrino, tested at its outer wall: one binary, a file per behaviour.

#[cfg(test)]
mod audit;
#[cfg(test)]
mod ca;
#[cfg(test)]
mod store;
#[cfg(test)]
mod tidy;
