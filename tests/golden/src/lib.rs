//! Golden vectors: one small world, the files that it makes, and the verdict over any file.
//!
//! In: fixed seeds. Out: the bytes of every format, signed files with something wrong in them, and [`verdict`], which
//! says of a file what a device would. The tests compare with the stored files; other implementations read those.
//! Nothing here is used by the product.

pub mod attacks;
pub mod build;
pub mod images;
pub mod parts;
pub mod site;
pub mod store;
pub mod streams;
pub mod vectors;
pub mod verdict;
