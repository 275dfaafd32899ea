//! The store at the outer wall of the library: what is acknowledged is there, what is damaged is refused.

mod access;
mod children;
mod crash;
mod damage;
mod disk;
mod fixture;
mod people;
mod records;
mod writers;
